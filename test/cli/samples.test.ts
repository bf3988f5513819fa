// The samples of a comparison: folders of .npy files in every layout, and what is wrong with some.
import fs from 'node:fs';
import path from 'node:path';
import { Args } from '../../lib/cli/args.js';
import { writeNpy } from '../../lib/cli/npy.js';
import { randomTensor } from '../../lib/cli/random.js';
import { chooseSamples, sampleOptionTable, samplesOf } from '../../lib/cli/samples.js';
import type { TensorSpec } from '../../lib/types.js';
import { Folder } from '../support/folder.js';

const folder = new Folder();
const x: TensorSpec = { name: 'x', dtype: 'f32', shape: [2] };
const odd: TensorSpec = { name: 'a/b:0', dtype: 'f32', shape: [-1] };

function array(name: string, ...values: number[]): void {
  const file = path.join(folder.path, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  writeNpy(file, { dtype: 'f32', shape: [values.length], data: Float32Array.from(values) });
}

function read(specs: readonly TensorSpec[], name: string): [string, number[][]][] {
  const samples = samplesOf(specs, path.join(folder.path, name));
  return samples.map((sample) => [sample.name, sample.inputs().map(({ data }) => Array.from(data, Number))]);
}

test('a folder of one sample: a file for each input, by its name or the name that run gives it', () => {
  array('one/x.npy', 1, 2);
  array('one/a_b_0.npy', 3);
  expect(read([x, odd], 'one')).toEqual([['one', [[1, 2], [3]]]]);
});

test('a folder for each sample, in the order of their names', () => {
  array('many/s2/x.npy', 3, 4);
  array('many/s2/a_b_0.npy', 6);
  array('many/s1/x.npy', 1, 2);
  array('many/s1/a_b_0.npy', 5, 5, 5);
  fs.mkdirSync(path.join(folder.path, 'many', 'empty'));
  folder.write('many/README.txt', 'what this is');
  folder.write('many/.DS_Store', '');
  expect(read([x, odd], 'many')).toEqual([
    [
      's1',
      [
        [1, 2],
        [5, 5, 5],
      ],
    ],
    ['s2', [[3, 4], [6]]],
  ]);
});

test('one input: each file is a sample', () => {
  array('photos/cat.npy', 1, 2);
  array('photos/dog.npy', 3, 4);
  expect(read([x], 'photos')).toEqual([
    ['cat', [[1, 2]]],
    ['dog', [[3, 4]]],
  ]);
  array('single/s1/x.npy', 1, 2);
  expect(read([x], 'single')).toEqual([['s1', [[1, 2]]]]);
});

test('what is wrong is said, with the file or the input', () => {
  array('lacks/x.npy', 1, 2);
  expect(() => read([x, odd], 'lacks')).toThrow(/has no a_b_0\.npy for the input 'a\/b:0'/);
  array('excess/s/x.npy', 1, 2);
  array('excess/s/y.npy', 1, 2);
  expect(() => read([x], 'excess')).toThrow(/y\.npy is for no input of the model; it has 'x'/);
  array('both/x.npy', 1, 2);
  array('both/s/x.npy', 1, 2);
  expect(() => read([x], 'both')).toThrow(/files and folders of them/);
  fs.mkdirSync(path.join(folder.path, 'none'));
  expect(() => read([x], 'none')).toThrow(/holds no \.npy files/);
  expect(() => read([x], 'nowhere')).toThrow(/Cannot read .*nowhere/);
  array('long/cat.npy', 1, 2, 3);
  expect(() => read([x], 'long')).toThrow(/cat\.npy has the shape 3, the input is 'x' \(f32 2\)/);
});

describe('options', () => {
  const choose = (...words: string[]): ReturnType<typeof chooseSamples> =>
    chooseSamples([x], new Args(words, { positionals: [], options: sampleOptionTable }));

  test('random samples have the values of run --random with the seeds that follow', () => {
    const samples = choose('--random', '3', '--seed', '7');
    expect(samples.map(({ name }) => name)).toEqual(['seed 7', 'seed 8', 'seed 9']);
    expect(samples.map((sample) => sample.inputs()[0]!.data)).toEqual(
      [7, 8, 9].map((seed) => randomTensor('f32', [2], seed, 'x')),
    );
  });

  test('one file', () => {
    array('file.npy', 8, 9);
    const [sample, ...others] = choose('--input', `x=${path.join(folder.path, 'file.npy')}`);
    expect(others).toEqual([]);
    expect(Array.from(sample!.inputs()[0]!.data, Number)).toEqual([8, 9]);
  });

  test('nothing, too much, and no number', () => {
    expect(() => choose()).toThrow(/Nothing to run on/);
    expect(() => choose('--inputs', folder.path, '--random', '1')).toThrow(/--inputs goes without/);
    expect(() => choose('--random', '0')).toThrow(/--random/);
  });
});
