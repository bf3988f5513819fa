/** `edge-infer inspect MODEL`: what a model takes and gives, what its file says, and how a device runs it. */
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Model } from '../index.js';
import { inspectTflite, isTfliteFile } from '../tflite/inspect.js';
import type { TfliteInfo } from '../tflite/types.js';
import type { TensorSpec } from '../types.js';
import type { Command } from './command.js';
import { loadOptionsOf, loadOptionTable, withModel } from './load.js';
import {
  bytesText,
  durationText,
  errorJson,
  exitCodeOf,
  indent,
  LoadFailure,
  quantizationText,
  shapeText,
  table,
  type ErrorJson,
  type Result,
} from './output.js';
import { tfliteText } from './tflite-facts.js';

function specRows(label: string, specs: readonly TensorSpec[]): string[][] {
  return specs.map((spec, i) => [
    i === 0 ? label : '',
    spec.name,
    spec.dtype,
    shapeText(spec.shape),
    quantizationText(spec.quantization),
  ]);
}

/** What the file itself says, where it is of a format that we read; null for others. */
async function factsOf(file: string): Promise<TfliteInfo | null> {
  try {
    const path = file.startsWith('file:') ? fileURLToPath(file) : file;
    return (await isTfliteFile(path)) ? await inspectTflite(path) : null;
  } catch (error) {
    throw new LoadFailure(error);
  }
}

async function loaded(file: string, model: Model, facts: TfliteInfo | null, wantsLayers: boolean): Promise<Result> {
  const { info, inputs, outputs } = model;
  const size = info.path === null ? null : fs.statSync(info.path).size;
  const rows = [
    ['device', `${info.device} (${info.deviceName})`],
    ...(info.devices.join() === info.device ? [] : [['runs on', info.devices.join(', ')]]),
    ['precision', `${info.precision.actual} (asked for: ${info.precision.requested})`],
    ['loaded in', `${durationText(info.loadMs)}${info.fromCache ? ', compiled before' : ''}`],
    ['in flight', String(info.inFlight)],
    ['sdk', `${info.backend} ${info.versions.sdk}`],
    ['sha256', info.sha256],
  ];
  const properties = Object.entries(info.properties);
  const text = [
    `${file}${size === null ? '' : ` (${bytesText(size)})`}`,
    indent(table([...specRows('inputs', inputs), ...specRows('outputs', outputs)])),
    indent(table(rows)),
  ];
  if (properties.length > 0) text.push(`  properties\n${indent(table(properties), '    ')}`);
  const layers = wantsLayers ? await model.layers() : undefined;
  if (layers !== undefined) {
    const lines = layers.map(({ name, type, device, precision, kernel }) => [
      type,
      precision || '?',
      device || '?',
      kernel,
      name,
    ]);
    text.push(`  layers\n${indent(lines.length > 0 ? table(lines) : 'the SDK does not tell', '    ')}`);
  }
  if (facts !== null) text.push(...tfliteText(facts).map((part) => indent(part)));
  return {
    json: {
      model: file,
      size,
      sha256: info.sha256,
      inputs,
      outputs,
      info,
      ...(layers && { layers }),
      ...(facts && { tflite: facts }),
    },
    text: text.join('\n\n'),
  };
}

function notLoaded(file: string, facts: TfliteInfo, why: ErrorJson): Result {
  const text = [
    `${file} (${bytesText(facts.size)})`,
    ...tfliteText(facts).map((part) => indent(part)),
    indent(`not loaded: ${why.message}${why.remedy === '' ? '' : `\n${why.remedy}`}`),
  ];
  return { json: { model: file, size: facts.size, tflite: facts, notLoaded: why }, text: text.join('\n\n') };
}

export const inspect: Command = {
  name: 'inspect',
  summary: "Prints a model's inputs, outputs, what its file says and how a device runs it.",
  positionals: ['MODEL'],
  options: {
    ...loadOptionTable,
    layers: { help: 'also every layer as executed: where, in which precision, by which kernels' },
  },
  notes: `
What a TFLite file says is printed without any SDK too; it is loaded where a device can be opened, and one that is
compiled for the Edge TPU only where --device names one.`,
  async run(args, ui) {
    const file = args.positional(0) ?? '';
    const wantsLayers = args.flag('layers');
    const options = { ...loadOptionsOf(args), ...(wantsLayers && { profile: true }) };
    const facts = await factsOf(file);
    if (facts !== null && facts.edgeTpu.length > 0 && options.device === undefined) {
      return notLoaded(file, facts, {
        code: 'ERR_UNSUPPORTED',
        message: 'The model is compiled for the Edge TPU and runs on no other device.',
        remedy: 'Name one to load it: --device tflite:edgetpu:0.',
      });
    }
    try {
      return await withModel(file, options, ui, (model) => loaded(file, model, facts, wantsLayers));
    } catch (error) {
      if (facts === null || !(error instanceof LoadFailure)) throw error;
      const why = errorJson(error);
      const result = notLoaded(file, facts, why);
      // Who names no device asks about the file: that no SDK is there is then no failure.
      const isFailure = options.device !== undefined || why.code !== 'ERR_UNAVAILABLE';
      return isFailure ? { ...result, failure: { exitCode: exitCodeOf(error), error: why } } : result;
    }
  },
};
