/** Conformance: wrong inputs are refused with a code, a sentence and a remedy, and disturb nothing. */
import type { Inputs } from '../../../lib/types.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { codeOf, Loader, type ConformanceBackend } from './harness.js';

const six = Float32Array.of(1, 2, 3, 4, 5, 6);

/** What is passed to a model whose only input is x, f32 [2, 3], and what it says. */
const wrong: [string, unknown, string][] = [
  ['an unknown name', { x: six, z: six }, "The model has no input 'z'."],
  ['nothing', {}, "Expected the input 'x' to be a Float32Array or { data, shape }, got undefined."],
  [
    'undefined for it',
    { x: undefined },
    "Expected the input 'x' to be a Float32Array or { data, shape }, got undefined.",
  ],
  ['null for it', { x: null }, "Expected the input 'x' to be a Float32Array or { data, shape }, got null."],
  [
    'numbers in an array',
    { x: [1, 2] },
    "Expected the input 'x' to be a Float32Array or { data, shape }, got an array.",
  ],
  ['a number', { x: 5 }, "Expected the input 'x' to be a Float32Array or { data, shape }, got 5."],
  [
    'an ArrayBuffer',
    { x: six.buffer },
    "Expected the input 'x' to be a Float32Array or { data, shape }, got an object.",
  ],
  [
    'an object without data',
    { x: { shape: [2, 3] } },
    "Expected the input 'x' to be a Float32Array or { data, shape }, got an object.",
  ],
  [
    'another array type',
    { x: new Float64Array(6) },
    "Expected the input 'x' (f32) to be a Float32Array, got a Float64Array.",
  ],
  [
    'a DataView',
    { x: new DataView(new ArrayBuffer(24)) },
    "Expected the input 'x' (f32) to be a Float32Array, got a DataView.",
  ],
  ['too few values', { x: new Float32Array(5) }, "Expected the input 'x' of the shape [2, 3] to have 6 values, got 5."],
  [
    'too many values',
    { x: new Float32Array(7) },
    "Expected the input 'x' of the shape [2, 3] to have 6 values, got 7.",
  ],
  ['no values', { x: new Float32Array(0) }, "Expected the input 'x' of the shape [2, 3] to have 6 values, got 0."],
  ['another rank', { x: { data: six, shape: [6] } }, "Expected the input 'x' to have the shape [2, 3], got [6]."],
  [
    'another shape',
    { x: { data: six, shape: [3, 2] } },
    "Expected the input 'x' to have the shape [2, 3], got [3, 2].",
  ],
  [
    'a shape that the values do not fill',
    { x: { data: new Float32Array(4), shape: [2, 3] } },
    "Expected the input 'x' of the shape [2, 3] to have 6 values, got 4.",
  ],
  ...[
    [-2, 3],
    [NaN, 3],
    [1.5, 4],
    [Infinity, 0],
    [2 ** 53, 1],
  ].map((shape): [string, unknown, string] => [
    `the shape ${String(shape)}`,
    { x: { data: six, shape } },
    `Expected the shape of the input 'x' to be an array of integers that are not negative, got [${shape.join(', ')}].`,
  ]),
  [
    'a text as shape',
    { x: { data: six, shape: '2,3' } },
    "Expected the shape of the input 'x' to be an array of integers that are not negative, got '2,3'.",
  ],
  [
    'null as shape',
    { x: { data: six, shape: null } },
    "Expected the shape of the input 'x' to be an array of integers that are not negative, got null.",
  ],
  ['no object: null', null, 'Expected the inputs as an object by name.'],
  ['no object: undefined', undefined, 'Expected the inputs as an object by name.'],
  ['no object: a text', 'x', 'Expected the inputs as an object by name.'],
  ['no object: the array itself', six, 'Expected the inputs as an object by name.'],
];

export function inputs(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);

  it.each(wrong)('%s', async (_, value, message) => {
    const model = await loader.load(models.add(1, [2, 3]));
    const error = await rejection(model.run(value as Inputs));
    expect(error).toMatchObject({ name: 'InferenceError', code: 'ERR_INVALID_TENSOR', message });
    expect((error as { remedy: string }).remedy).not.toBe('');
    expect(model.statistics()).toMatchObject({ submitted: 0, bytesCopied: 0 });
    expect(numbers((await model.run({ x: six }))['y']!.data)).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('an input of the prototype is not one of the object', async () => {
    const model = await loader.load(models.add(1, [2, 3]));
    const inherited = Object.create({ x: six }) as Inputs;
    expect(codeOf(await rejection(model.run(inherited)))).toBe('ERR_INVALID_TENSOR');
  });

  it('an object without prototype is taken', async () => {
    const model = await loader.load(models.add(1, [2, 3]));
    const bare = Object.assign(Object.create(null), { x: six }) as Inputs;
    expect(numbers((await model.run(bare))['y']!.data)).toEqual([2, 3, 4, 5, 6, 7]);
  });

  it('one of several inputs missing', async () => {
    const model = await loader.load(models.pair());
    const error = await rejection(model.run({ a: new Float32Array(4) }));
    expect(error).toMatchObject({
      code: 'ERR_INVALID_TENSOR',
      message: "Expected the input 'b' to be a Int32Array or { data, shape }, got undefined.",
    });
  });
}
