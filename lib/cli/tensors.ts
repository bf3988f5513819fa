/** The inputs of a run on the command line: from `.npy` files, or random. */
import { InferenceError } from '../errors.js';
import type { Dtype, Shape, TensorData, TensorSpec } from '../types.js';
import { UsageError, type Args, type OptionTable } from './args.js';
import { readNpy } from './npy.js';
import { shapeText } from './output.js';
import { randomTensor } from './random.js';

export const inputOptionTable: OptionTable = {
  input: { value: 'NAME=FILE.npy', help: "an input's values", multiple: true },
  random: { help: 'random values for the inputs without a file' },
  seed: { value: 'N', help: 'of the random values; default 0' },
};

export interface GivenInput {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: Shape;
  readonly data: TensorData;
  /** The file, or `random`. */
  readonly source: string;
}

/** NumPy's names, for remedies. */
const numpyNames: Readonly<Record<Dtype, string>> = {
  ...{ f16: 'float16', f32: 'float32', f64: 'float64', bf16: 'uint16', bool: 'bool' },
  ...{ i8: 'int8', u8: 'uint8', i16: 'int16', u16: 'uint16' },
  ...{ i32: 'int32', u32: 'uint32', i64: 'int64', u64: 'uint64' },
};

// What no typed array holds is refused here, where it can be said why.
const maximumElements = 2 ** 31;

function describe(spec: TensorSpec): string {
  return `'${spec.name}' (${spec.dtype} ${shapeText(spec.shape)})`;
}

function list(specs: readonly TensorSpec[]): string {
  return specs.map(describe).join(', ');
}

/** Whether a value of this shape fits what the model says. */
function fits(spec: Shape | null, shape: Shape): boolean {
  return spec === null || (spec.length === shape.length && spec.every((size, i) => size < 0 || size === shape[i]));
}

/** Reads an input's values. Throws `ERR_INVALID_TENSOR` where the file holds what the input does not take. */
export function inputFromFile(spec: TensorSpec, file: string): GivenInput {
  const array = readNpy(file);
  // NumPy has no bf16: its raw bits come as u2.
  const expected = spec.dtype === 'bf16' ? 'u16' : spec.dtype;
  if (array.dtype !== expected) {
    const bits = spec.dtype === 'bf16' ? ', the raw bits' : '';
    throw new InferenceError('ERR_INVALID_TENSOR', `${file} holds ${array.dtype}, the input is ${describe(spec)}.`, {
      remedy: `Convert it: numpy.save(file, array.astype('${numpyNames[spec.dtype]}'))${bits}.`,
    });
  }
  if (!fits(spec.shape, array.shape)) {
    throw new InferenceError(
      'ERR_INVALID_TENSOR',
      `${file} has the shape ${shapeText(array.shape)}, the input is ${describe(spec)}.`,
      { remedy: 'Reshape the array to what the model takes.' },
    );
  }
  return { name: spec.name, dtype: spec.dtype, shape: array.shape, data: array.data, source: file };
}

function fromSeed(spec: TensorSpec, seed: number): GivenInput {
  const { name, dtype, shape } = spec;
  if (shape === null || shape.some((size) => size < 0)) {
    const example = shape === null ? '1x3x224x224' : shape.map((size) => (size < 0 ? 1 : size)).join('x');
    throw new UsageError(
      `The input ${describe(spec)} has no fixed shape: give one, such as --shapes ${name}=${example}.`,
    );
  }
  if (shape.reduce((product, size) => product * size, 1) > maximumElements) {
    throw new UsageError(`The input ${describe(spec)} is too large for random values.`);
  }
  return { name, dtype, shape, data: randomTensor(dtype, shape, seed, name), source: 'random' };
}

/** A value for every input, in the model's order. Without a file an input needs `random`. */
export function chooseInputs(
  specs: readonly TensorSpec[],
  args: Args,
  random: boolean,
  seed = args.integer('seed', 0) ?? 0,
): GivenInput[] {
  const files = new Map<TensorSpec, string>();
  for (const word of args.texts('input')) {
    // Names and paths may contain `=`; the longest name that fits is meant.
    const matching = specs.filter((spec) => word.startsWith(`${spec.name}=`));
    const spec = matching.sort((a, b) => b.name.length - a.name.length)[0];
    if (spec === undefined) {
      throw new UsageError(
        `Expected --input to be NAME=FILE.npy with an input of the model, got '${word}': ${list(specs)}.`,
      );
    }
    if (files.has(spec)) throw new UsageError(`Expected one --input for '${spec.name}', got two.`);
    files.set(spec, word.slice(spec.name.length + 1));
  }
  const missing = specs.filter((spec) => !files.has(spec));
  if (missing.length > 0 && !random) {
    throw new UsageError(`The model needs ${list(missing)}: give --input NAME=FILE.npy for each, or --random.`);
  }
  return specs.map((spec) => {
    const file = files.get(spec);
    return file === undefined ? fromSeed(spec, seed) : inputFromFile(spec, file);
  });
}
