/** `edge-infer run MODEL`: one inference, its inputs and outputs as `.npy` files. */
import fs from 'node:fs';
import path from 'node:path';
import { timingsOf } from '../index.js';
import type { Outputs, TensorSpec } from '../types.js';
import type { Command } from './command.js';
import { fileNames } from './file-names.js';
import { writing } from './files.js';
import { loadOptionsOf, loadOptionTable, withModel } from './load.js';
import { npyDescr, writeNpy } from './npy.js';
import { durationText, indent, shapeText, table } from './output.js';
import { chooseInputs, inputOptionTable } from './tensors.js';

interface OutputJson {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Null unless it was asked for. */
  readonly file: string | null;
  /** Where the file's dtype is another one. */
  readonly note?: string;
}

function save(outputs: Outputs, specs: readonly TensorSpec[], directory: string | undefined): OutputJson[] {
  if (directory !== undefined) writing(directory, () => fs.mkdirSync(directory, { recursive: true }));
  const names = specs.map((spec) => spec.name);
  const files = fileNames(names, '.npy');
  return names.flatMap((name, i): OutputJson[] => {
    const tensor = outputs[name];
    if (tensor === undefined) return [];
    const { dtype, shape } = tensor;
    if (directory === undefined) return [{ name, dtype, shape, file: null }];
    const file = path.join(directory, files[i] ?? '');
    writing(file, () => writeNpy(file, tensor));
    const { note } = npyDescr(dtype);
    return [{ name, dtype, shape, file, ...(note !== null && { note }) }];
  });
}

export const run: Command = {
  name: 'run',
  summary: 'Runs a model once; inputs and outputs are .npy files.',
  positionals: ['MODEL'],
  options: {
    ...inputOptionTable,
    'save-outputs': { value: 'DIR', help: 'writes each output to a .npy file in this folder' },
    ...loadOptionTable,
  },
  notes: `
Random values depend on the seed, the input's name and its shape: floats from 0 to below 1, u8 and i8 over their whole
range, bool and wider integers 0 or 1. NumPy has no bf16: it is read and written as its raw bits, dtype u2.`,
  async run(args, ui) {
    const file = args.positional(0) ?? '';
    const directory = args.text('save-outputs');
    return withModel(file, loadOptionsOf(args), ui, async (model) => {
      const given = chooseInputs(model.inputs, args, args.flag('random'));
      const result = await model.run(Object.fromEntries(given.map(({ name, data, shape }) => [name, { data, shape }])));
      const timings = timingsOf(result);
      const outputs = save(result, model.outputs, directory);
      const { info } = model;
      const inputs = given.map(({ name, dtype, shape, source }) => ({ name, dtype, shape, source }));
      const rows = [
        ...inputs.map((input) => ['in', input.name, input.dtype, shapeText(input.shape), input.source]),
        ...outputs.map((output) => {
          const note = output.note === undefined ? '' : ` (${output.note})`;
          return ['out', output.name, output.dtype, shapeText(output.shape), `${output.file ?? ''}${note}`];
        }),
      ];
      const times = Object.entries(timings).map(([stage, ms]) => `${stage} ${durationText(ms as number)}`);
      const where = `${info.device} (${info.deviceName}), ${info.precision.actual}`;
      return {
        json: {
          model: file,
          device: info.device,
          deviceName: info.deviceName,
          backend: info.backend,
          precision: info.precision,
          loadMs: info.loadMs,
          timings,
          inputs,
          outputs,
        },
        text: [`${file} on ${where}`, indent(table(rows)), indent(times.join(', '))].join('\n'),
      };
    });
  },
};
