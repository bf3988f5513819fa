/** `edge-infer convert MODEL`: an ONNX model in f32 becomes one that computes in f16 or bf16. */
import fs from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convertPrecision } from '../index.js';
import type { ConvertedModel, PrecisionOptions, PrecisionReport } from '../index.js';
import { bytesOf } from '../source.js';
import { UsageError, type Args } from './args.js';
import type { Command } from './command.js';
import { checkWritable, writing } from './files.js';
import { bytesText, indent, LoadFailure, table } from './output.js';

function optionsOf(args: Args): PrecisionOptions {
  const precision = args.choice('precision', ['f16', 'bf16']);
  if (precision === undefined) throw new UsageError('Missing --precision f16 or --precision bf16.');
  const operators = (name: string): string[] =>
    args.texts(name).flatMap((text) => text.split(',').map((operator) => operator.trim()));
  return { precision, keep: operators('keep'), convert: operators('convert'), keepNodes: args.texts('keep-node') };
}

/** A converted model must not take the place of what it was made of. */
function isSame(a: string, b: string): boolean {
  const [one, other] = [a, b].map((file) => {
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    return stat && `${stat.dev} ${stat.ino}`;
  });
  return one !== undefined && one === other;
}

/** Nodes of one operator that stay for one reason are one line. */
function keptText({ kept, precision }: PrecisionReport): string {
  const counts = new Map<string, { operator: string; reason: string; count: number }>();
  for (const { operator, reason } of kept) {
    const key = `${operator} ${reason}`;
    const line = counts.get(key) ?? { operator, reason, count: 0 };
    counts.set(key, { ...line, count: line.count + 1 });
  }
  if (counts.size === 0) return `every node that took f32 computes in ${precision}`;
  const lines = [...counts.values()].sort((a, b) => b.count - a.count);
  return `stays in f32\n${indent(table(lines.map(({ operator, reason, count }) => [String(count), operator, reason])))}`;
}

export const convert: Command = {
  name: 'convert',
  summary: 'Makes an ONNX model compute in f16 or bf16, with f32 inputs and outputs.',
  positionals: ['MODEL'],
  options: {
    output: { value: 'FILE', short: 'o', help: 'the file to write' },
    precision: { value: 'P', help: 'f16 or bf16' },
    keep: { value: 'OPERATOR[,OPERATOR]', help: 'operators that stay in f32 too', multiple: true },
    convert: {
      value: 'OPERATOR[,OPERATOR]',
      help: 'operators that are sensitive to rounding, yet converted',
      multiple: true,
    },
    'keep-node': { value: 'NAME', help: 'a node that stays in f32', multiple: true },
  },
  notes: `
For engines that take their types from the file, such as strongly typed TensorRT. What is sensitive to rounding stays in f32,
and what has weights beyond the range of f16. Compare the results: edge-infer compare MODEL --model-b FILE.`,
  async run(args) {
    const file = args.positional(0) ?? '';
    const output = args.text('output');
    if (output === undefined) throw new UsageError('Missing --output FILE.');
    const options = optionsOf(args);
    const path = file.startsWith('file:') ? fileURLToPath(file) : file;
    if (isSame(path, output)) throw new UsageError('The output is the model itself; name another file.');
    checkWritable(output);
    let bytes: Uint8Array;
    let converted: ConvertedModel;
    try {
      bytes = await bytesOf(path, 'Convert a smaller form of the model, or one of its parts.');
      converted = convertPrecision(bytes, { ...options, folder: dirname(path) });
    } catch (error) {
      throw new LoadFailure(error);
    }
    const { model, report } = converted;
    writing(output, () => fs.writeFileSync(output, model));
    const { precision, nodes, casts, weights } = report;
    const vanished = weights.vanished === 0 ? '' : `, of which ${weights.vanished} became 0`;
    const rows = [
      ['nodes', `${report.converted} of ${nodes} compute in ${precision}`],
      ['casts', `${casts.added} added, ${casts.removed} taken out`],
      ['constants', `${weights.tensors}, with ${weights.values} values${vanished}`],
    ];
    return {
      json: { model: file, size: bytes.length, output, outputSize: model.length, ...report },
      text: [
        `${file} (${bytesText(bytes.length)}) to ${output} (${bytesText(model.length)})`,
        indent(table(rows)),
        indent(keptText(report)),
      ].join('\n\n'),
    };
  },
};
