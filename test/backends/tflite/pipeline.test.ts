/** Models cut into segments, on TFLite's CPU, beside the whole ones. */
import { loadPipeline, type Pipeline, type PipelineOptions } from '../../../lib/index.js';
import { Folder } from '../../support/folder.js';
import { networkOf, networkTflite } from '../../support/tflite-segments.js';
import { bits, numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { load } from './models.js';

const folder = new Folder();
const open: Pipeline[] = [];
afterEach(() => Promise.all(open.splice(0).map((pipeline) => pipeline.dispose())));

async function pipelineOf(files: readonly (string | Uint8Array)[], options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await loadPipeline(
    files.map((file) => ({ file })),
    { device: 'tflite:cpu', ...options },
  );
  open.push(pipeline);
  return pipeline;
}

describe.each(['f32', 'u8', 'i8'] as const)('%s', (dtype) => {
  const shape = [1, 33];
  const values = new { f32: Float32Array, u8: Uint8Array, i8: Int8Array }[dtype](33).map(
    (_: number, i: number) => i - (dtype === 'i8' ? 128 : 0),
  );

  it.each([[[1, 2]], [[2]], [[1, 2, 3]]])('cut before %j: bit by bit as the whole, without a copy', async (cuts) => {
    const { whole, segments } = networkTflite(dtype, shape, cuts);
    const model = await load(whole);
    const pipeline = await pipelineOf(segments);
    expect(pipeline.inputs).toEqual(model.inputs);
    expect(pipeline.outputs).toEqual(model.outputs);
    const expected = await model.run({ x: values });
    const zero = dtype === 'i8' ? 128 : 0;
    expect(numbers(expected['y']!.data)).toEqual(numbers(values).map((value) => networkOf(value + zero) - zero));
    using request = pipeline.createRequest();
    (request.inputs['x']!.data as Uint8Array).set(values as Uint8Array);
    for (let i = 0; i < 3; i++) {
      await request.run();
      expect(bits(request.outputs['y']!.data)).toBe(bits(expected['y']!.data));
    }
    expect(pipeline.statistics().bytesCopied).toBe(0);
    const results = await Promise.all([...Array(30).keys()].map(() => pipeline.run({ x: values })));
    for (const { y } of results) expect(bits(y!.data)).toBe(bits(expected['y']!.data));
    expect(pipeline.segments().map(({ runs }) => runs)).toEqual(segments.map(() => 33));
  });
});

it('open shapes go through all segments', async () => {
  const { segments } = networkTflite('f32', [-1, 4]);
  const pipeline = await pipelineOf(segments);
  for (const rows of [1, 3, 2]) {
    const data = Float32Array.from({ length: 4 * rows }, (_, i) => i);
    const { y } = await pipeline.run({ x: { data, shape: [rows, 4] } });
    expect(y!.shape).toEqual([rows, 4]);
    expect(numbers(y!.data)).toEqual(numbers(data).map(networkOf));
  }
});

it('layers and their times are those of all segments', async () => {
  const { whole, segments } = networkTflite('f32', [1, 8]);
  const options = { properties: { XNNPACK: 'NO' }, profile: true };
  const pipeline = await pipelineOf(segments, options);
  const types = (await (await load(whole, options)).layers()).map(({ type }) => type);
  expect((await pipeline.layers()).map(({ type }) => type)).toEqual(types);
  expect((await pipeline.layers()).every(({ device }) => device === 'tflite:cpu')).toBe(true);
  using request = pipeline.createRequest();
  await request.run();
  expect(request.profile()).toHaveLength(types.length);
});

it('segments on several SDKs', async () => {
  const { segments } = networkTflite('f32', [1, 8], [2]);
  const pipeline = await loadPipeline([
    { file: folder.write('first.tflite', segments[0]!), device: 'openvino:cpu', precision: 'f32', profile: true },
    { file: segments[1]!, device: 'tflite:cpu' },
  ]);
  open.push(pipeline);
  expect(pipeline.info).toMatchObject({ backend: 'openvino, tflite', devices: ['openvino:cpu', 'tflite:cpu'] });
  expect(new Set((await pipeline.layers()).map(({ device }) => device))).toEqual(
    new Set(['openvino:cpu', 'tflite:cpu']),
  );
  using request = pipeline.createRequest();
  const x = Object.values(request.inputs)[0]!.data as Float32Array;
  x.set([0, 1, 2, 3, 4, 5, 6, 7]);
  await request.run();
  expect(numbers(request.outputs['y']!.data)).toEqual(numbers(x).map(networkOf));
  expect(pipeline.statistics().bytesCopied).toBe(0);
});

it('isolated, frame by frame in shared memory', async () => {
  const { segments } = networkTflite('u8', [1, 8]);
  const pipeline = await pipelineOf(segments, { isolate: true });
  using request = pipeline.createRequest();
  (request.inputs['x']!.data as Uint8Array).fill(7);
  await request.run();
  expect(numbers(request.outputs['y']!.data)).toEqual(Array(8).fill(networkOf(7)));
  expect(pipeline.statistics().bytesCopied).toBe(0);
});

it('files in the wrong order, and of another model, are refused by their names', async () => {
  const files = networkTflite('u8', [1, 8]).segments.map((bytes, i) => folder.write(`net_segment_${i}.tflite`, bytes));
  const foreign = folder.write('other_segment_1.tflite', networkTflite('u8', [1, 9]).segments[1]!);
  expect(await rejection(pipelineOf([files[1]!, files[0]!]))).toMatchObject({
    code: 'ERR_INVALID_MODEL',
    message: expect.stringMatching(/wrong order: .*net_segment_0\.tflite.*'a'.*net_segment_1\.tflite/),
  });
  expect(await rejection(pipelineOf([files[0]!, foreign, files[2]!]))).toMatchObject({
    code: 'ERR_INVALID_MODEL',
    message: expect.stringMatching(/net_segment_0\.tflite.* u8 \[1, 8\].*other_segment_1\.tflite.* u8 \[1, 9\]/),
  });
});
