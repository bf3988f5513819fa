/** `edge-infer compare MODEL`: the outputs of two devices, precisions or files on the same inputs, side by side. */
import fs from 'node:fs';
import { InferenceError } from '../errors.js';
import { version } from '../index.js';
import type { Model } from '../index.js';
import type { Inputs, Outputs, TensorSpec } from '../types.js';
import { UsageError, type Args } from './args.js';
import type { Command } from './command.js';
import { compareHtml } from './compare-report.js';
import { compareText, foundText, type CompareResult, type OutputResult, type SideResult } from './compare-result.js';
import { comparable, DifferenceSum, type Tolerance } from './difference.js';
import { checkWritable, writing } from './files.js';
import { loadOptionsOf, loadOptionTable, withModel } from './load.js';
import { describeMachine } from './machine.js';
import { exitCodes, LoadFailure, shapeText, type Result } from './output.js';
import { chooseSamples, sampleOptionTable } from './samples.js';
import { parseSide, type Side } from './side.js';
import type { GivenInput } from './tensors.js';
import type { Ui } from './ui.js';

interface Plan {
  readonly files: { readonly a: string; readonly b: string };
  readonly sides: { readonly a: Side; readonly b: Side };
  readonly tolerance: Tolerance;
  readonly byPosition: boolean;
}

function planOf(args: Args): Plan {
  const file = args.positional(0) ?? '';
  const other = args.text('model-b');
  const sideA = args.text('a');
  const sideB = args.text('b');
  if (sideB === undefined && other === undefined) {
    throw new UsageError('Nothing to compare with: give --b DEVICE[:PRECISION], --model-b FILE, or both.');
  }
  const a = sideA === undefined ? { device: 'auto', precision: undefined } : parseSide('a', sideA);
  const atol = args.number('atol');
  const rtol = args.number('rtol');
  return {
    files: { a: file, b: other ?? file },
    sides: { a, b: sideB === undefined ? a : parseSide('b', sideB) },
    // A relative tolerance alone is one, too.
    tolerance: { atol: atol ?? (rtol === undefined ? null : 0), rtol: rtol ?? 0, equalNan: args.flag('equal-nan') },
    byPosition: args.flag('by-position'),
  };
}

/** Says which side an error is about: both may name the same file. */
function named(name: 'a' | 'b', error: unknown): unknown {
  if (error instanceof LoadFailure) return new LoadFailure(named(name, error.error));
  if (!(error instanceof InferenceError)) return error;
  const { code, message, remedy, cause } = error;
  return new InferenceError(code, `Side ${name}: ${message}`, { remedy, cause });
}

async function runOn(name: 'a' | 'b', model: Model, inputs: Inputs): Promise<Outputs> {
  try {
    return await model.run(inputs);
  } catch (error) {
    throw named(name, error);
  }
}

function describe(specs: readonly TensorSpec[]): string {
  return specs.map((spec) => `'${spec.name}' (${spec.dtype} ${shapeText(spec.shape)})`).join(', ');
}

/** What each name of a is called by b: the same, or what stands at its place. */
function partners(a: readonly TensorSpec[], b: readonly TensorSpec[], byPosition: boolean): Map<string, TensorSpec> {
  const pairs = a.map((spec, i): [string, TensorSpec | undefined] => [
    spec.name,
    byPosition ? b[i] : b.find((other) => other.name === spec.name),
  ]);
  return new Map(pairs.filter((pair): pair is [string, TensorSpec] => pair[1] !== undefined));
}

/** Both sides have to take the same values; what b calls each input. */
function inputPartners(a: Model, b: Model, byPosition: boolean): Map<string, TensorSpec> {
  const pairs = partners(a.inputs, b.inputs, byPosition);
  const alike = a.inputs.every(({ name, dtype }) => pairs.get(name)?.dtype === dtype);
  if (alike && a.inputs.length === b.inputs.length) return pairs;
  throw new InferenceError(
    'ERR_INVALID_TENSOR',
    `The sides take different inputs: a takes ${describe(a.inputs)}, b takes ${describe(b.inputs)}.`,
    {
      remedy: byPosition
        ? 'Compare files that take the same dtypes: convert the model without changing its ports.'
        : 'Where only the names differ, --by-position pairs inputs and outputs by their places.',
    },
  );
}

function sideOf(model: string, { info }: Model): SideResult {
  const { sha256, backend, versions, device, deviceName, precision } = info;
  return { model, sha256, backend, sdk: versions.sdk, device, deviceName, precision };
}

/** Gathers one output over all samples. */
class OutputPair {
  readonly #a: TensorSpec;
  readonly #b: TensorSpec;
  readonly #sum: DifferenceSum;
  readonly #shapes: OutputResult['shapes'][number][] = [];
  readonly #maxAbs: (number | null)[] = [];
  #shape: OutputResult['shape'] = [];

  constructor(a: TensorSpec, b: TensorSpec, tolerance: Tolerance) {
    this.#a = a;
    this.#b = b;
    this.#sum = new DifferenceSum(tolerance);
  }

  add(sample: string, outputsA: Outputs, outputsB: Outputs): void {
    const [a, b] = [outputsA[this.#a.name], outputsB[this.#b.name]];
    if (a === undefined || b === undefined) throw new Error(`The output ${this.#a.name} is missing.`);
    if (this.#maxAbs.length === 0) this.#shape = a.shape;
    const alike = a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i]);
    if (!alike) this.#shapes.push({ sample, a: a.shape, b: b.shape });
    this.#maxAbs.push(alike ? this.#sum.add(sample, a, b) : null);
  }

  result(): OutputResult {
    const difference = this.#sum.result();
    const dtype = { a: this.#a.dtype, b: this.#b.dtype };
    return {
      name: this.#a.name,
      nameB: this.#b.name,
      dtype,
      shape: this.#shape,
      ...difference,
      shapes: this.#shapes,
      maxAbsBySample: this.#maxAbs,
      ok: difference.beyond === 0 && this.#shapes.length === 0 && comparable(dtype.a, dtype.b),
    };
  }
}

function notesOf({ a, b, tolerance, outputs, samples }: Omit<CompareResult, 'found' | 'notes' | 'ok'>): string[] {
  const notes: string[] = [];
  if (a.device === b.device && a.precision.actual === b.precision.actual && a.sha256 === b.sha256) {
    notes.push(`Both sides executed the same file in ${a.precision.actual} on ${a.device}: no precision was compared.`);
  }
  if (samples.some(({ inputs }) => inputs.some(({ source }) => source === 'random'))) {
    notes.push('Random inputs show whether two sides compute alike, not what a precision costs on real data.');
  }
  if (tolerance.atol === null && outputs.some(({ beyond }) => beyond === 0)) {
    notes.push('Give --atol to have differences judged.');
  }
  return notes;
}

async function compareModels(plan: Plan, args: Args, models: { a: Model; b: Model }, ui: Ui): Promise<CompareResult> {
  const { a, b } = models;
  const inputs = inputPartners(a, b, plan.byPosition);
  const outputs = partners(a.outputs, b.outputs, plan.byPosition);
  const taken = new Set([...outputs.values()].map((spec) => spec.name));
  const pairs = a.outputs.flatMap((spec) => {
    const other = outputs.get(spec.name);
    return other === undefined ? [] : [new OutputPair(spec, other, plan.tolerance)];
  });
  const samples: CompareResult['samples'][number][] = [];
  const chosen = chooseSamples(a.inputs, args);
  for (const [i, sample] of chosen.entries()) {
    const given = sample.inputs();
    const values = (nameOf: (input: GivenInput) => string): Inputs =>
      Object.fromEntries(given.map((input) => [nameOf(input), { data: input.data, shape: input.shape }]));
    const valuesB = values(({ name }) => inputs.get(name)?.name ?? name);
    const outputsA = await runOn(
      'a',
      a,
      values(({ name }) => name),
    );
    const outputsB = await runOn('b', b, valuesB);
    for (const pair of pairs) pair.add(sample.name, outputsA, outputsB);
    samples.push({
      name: sample.name,
      inputs: given.map(({ name, dtype, shape, source }) => ({ name, dtype, shape, source })),
    });
    ui.progress('Comparing', (i + 1) / chosen.length, `${i + 1} of ${chosen.length} samples`);
  }
  ui.clear();
  const measured = {
    edgeInfer: version,
    created: new Date().toISOString(),
    a: sideOf(plan.files.a, a),
    b: sideOf(plan.files.b, b),
    tolerance: plan.tolerance,
    samples,
    outputs: pairs.map((pair) => pair.result()),
    onlyA: a.outputs.map((spec) => spec.name).filter((name) => !outputs.has(name)),
    onlyB: b.outputs.map((spec) => spec.name).filter((name) => !taken.has(name)),
    machine: describeMachine(),
    html: args.text('html') ?? null,
  };
  const ok = measured.onlyA.length + measured.onlyB.length === 0 && measured.outputs.every((output) => output.ok);
  return { ...measured, ok, found: foundText(measured), notes: notesOf(measured) };
}

/** What failed, in short: the result has the sentence. */
function failureText({ outputs, onlyA, onlyB }: CompareResult): string {
  const failed = outputs.filter((output) => !output.ok).map(({ name, beyond }) => `'${name}' (${beyond} values)`);
  const lone = [...onlyA, ...onlyB].map((name) => `'${name}' (on one side only)`);
  return `Check failed: ${[...failed, ...lone].join(', ')}.`;
}

export const compare: Command = {
  name: 'compare',
  summary: 'Compares the outputs of two devices, precisions or files.',
  positionals: ['MODEL'],
  options: {
    a: { value: 'DEVICE[:PRECISION]', help: 'the reference, such as cpu:f32; default auto' },
    b: { value: 'DEVICE[:PRECISION]', help: "what is compared with it; default a's, on --model-b" },
    'model-b': { value: 'FILE', help: 'another file for side b, such as the quantised model' },
    'by-position': { help: 'pairs inputs and outputs by their places, where the files name them differently' },
    ...sampleOptionTable,
    atol: { value: 'X', help: 'ends with code 5 where |a − b| > X + rtol · |a|' },
    rtol: { value: 'X', help: 'the relative part of the tolerance, of float outputs; default 0' },
    'equal-nan': { help: 'NaN on both sides passes' },
    html: { value: 'FILE', help: 'writes a self-contained report with histograms' },
    threads: loadOptionTable.threads ?? { help: '' },
    shapes: loadOptionTable.shapes ?? { help: '' },
    property: loadOptionTable.property ?? { help: '' },
  },
  notes: `
Samples: --inputs DIR takes a folder with NAME.npy for each input, or with such a folder per sample; for a model with
one input each .npy file is a sample. --random N makes N samples with the seeds S, S + 1, …; see edge-infer run.

Ends with code 5 where outputs have other names, shapes or dtypes, hold NaN (unless --equal-nan and on both sides) or
infinities that the other side does not, or differ by more than the tolerance. Integers have to be equal unless --atol
allows 1 or more. Without --atol and --rtol floats are measured and not judged.

Top-1 looks at rows along the last dimension: the largest value is at the same place. The reference is a.`,
  async run(args, ui): Promise<Result> {
    const plan = planOf(args);
    const html = args.text('html') ?? null;
    if (html !== null) checkWritable(html);
    const shared = loadOptionsOf(args);
    const withSide = async <T>(name: 'a' | 'b', use: (model: Model) => Promise<T>): Promise<T> => {
      const { device, precision } = plan.sides[name];
      const options = { ...shared, device, inFlight: 1, ...(precision !== undefined && { precision }) };
      let loaded = false;
      try {
        return await withModel(plan.files[name], options, ui, (model) => {
          loaded = true;
          return use(model);
        });
      } catch (error) {
        throw loaded ? error : named(name, error);
      }
    };
    // Both at once: a sample's outputs are compared and forgotten before the next one.
    const result = await withSide('a', (a) => withSide('b', (b) => compareModels(plan, args, { a, b }, ui)));
    if (html !== null) writing(html, () => fs.writeFileSync(html, compareHtml(result)));
    const error = {
      code: 'ERR_CHECK_FAILED',
      message: failureText(result),
      remedy: 'Do not use this precision, device or file for the model, or allow more (--atol, --rtol).',
    };
    return {
      json: { ...result },
      text: compareText(result),
      ...(!result.ok && { failure: { exitCode: exitCodes.checkFailed, error } }),
    };
  },
};
