/** `edge-infer build MODEL`: builds the engine of an ONNX model ahead of its first use, into the cache that loading looks into. */
import type { Model } from '../index.js';
import type { Command } from './command.js';
import { loadOptionsOf, loadOptionTable, withModel } from './load.js';
import { durationText, indent, shapeText, table, type Result } from './output.js';

const names = ['device', 'precision', 'shapes', 'isolate', 'partial', 'property'];
const shared = Object.entries(loadOptionTable).filter(([name]) => names.includes(name));

function result(file: string, model: Model, buildMs: number): Result {
  const { info, inputs, outputs } = model;
  // It is loaded from the cache in any case; what took its time was the build.
  const rows = [
    ['device', `${info.device} (${info.deviceName})`],
    ['precision', `${info.precision.actual} (asked for: ${info.precision.requested})`],
    ['took', durationText(buildMs)],
    ['sdk', `${info.backend} ${info.versions.sdk}`],
    ...inputs.map(({ name, dtype, shape }) => ['input', `${name} ${dtype} ${shapeText(shape)}`]),
    ...outputs.map(({ name, dtype, shape }) => ['output', `${name} ${dtype} ${shapeText(shape)}`]),
  ];
  return {
    json: { model: file, buildMs, info, inputs, outputs },
    text: `${file}: the engine is in the cache.\n\n${indent(table(rows))}`,
  };
}

export const build: Command = {
  name: 'build',
  summary: "Builds a model's TensorRT engine ahead of its first use.",
  positionals: ['MODEL'],
  options: {
    ...Object.fromEntries(shared),
    directory: { value: 'D', help: "the cache's folder; default the user's" },
  },
  notes: `
Properties say how, such as --property WORKSPACE=1073741824 or --property OPT_SHAPES=images:4x3x224x224; docs/jetson.md lists
them. \`edge-infer cache list\` shows what was built.`,
  async run(args, ui) {
    const file = args.positional(0) ?? '';
    const cache = args.text('directory') ?? true;
    const options = { device: 'tensorrt', ...loadOptionsOf(args), build: true, cache };
    const begin = performance.now();
    return withModel(file, options, ui, (model) => Promise.resolve(result(file, model, performance.now() - begin)));
  },
};
