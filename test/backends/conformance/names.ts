/** Conformance: inputs and outputs may be called anything. */
import { numbers } from '../../support/values.js';
import { dataOf, f32Of, Loader, type ConformanceBackend } from './harness.js';

const names = [
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'toString',
  'a/b:0',
  'a b',
  'a,b',
  'größe 名前 🚦',
  'x"y<&>',
  '0',
  'length',
  'then',
];

export function oddNames(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);

  it.each(names)('%p', async (name) => {
    const model = await loader.load(models.identity('f32', [2], [name, `${name}·out`]));
    expect(model.inputs[0]!.name).toBe(name);
    expect(model.outputs[0]!.name).toBe(`${name}·out`);
    const result = await model.run({ [name]: Float32Array.of(1, 2) });
    expect(Object.keys(result)).toEqual([`${name}·out`]);
    expect(numbers(dataOf(result, `${name}·out`))).toEqual([1, 2]);

    const request = model.createRequest();
    expect(Object.keys(request.inputs)).toEqual([name]);
    f32Of(request.inputs, name).set([3, 4]);
    await request.run();
    expect(numbers(dataOf(request.outputs, `${name}·out`))).toEqual([3, 4]);
  });

  it.each(names)('%p as an output', async (name) => {
    const model = await loader.load(models.identity('f32', [2], ['x', name]));
    const result = await model.run({ x: Float32Array.of(1, 2) });
    expect(Object.keys(result)).toEqual([name]);
    expect(Object.getPrototypeOf(result)).toBeNull();
    expect(numbers(dataOf(result, name))).toEqual([1, 2]);
    const request = model.createRequest();
    expect(Object.keys(request.outputs)).toEqual([name]);
    expect(Object.getPrototypeOf(request.outputs)).toBeNull();
    f32Of(request.inputs, 'x').set([3, 4]);
    request.runSync();
    expect(numbers(dataOf(request.outputs, name))).toEqual([3, 4]);
  });

  it('the same name for an input and an output', async () => {
    const model = await loader.load(models.identity('f32', [1], ['t', 't']));
    const outputName = model.outputs[0]!.name;
    const result = await model.run({ [model.inputs[0]!.name]: Float32Array.of(5) });
    expect(numbers(dataOf(result, outputName))).toEqual([5]);
  });
}
