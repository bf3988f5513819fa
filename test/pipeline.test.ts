/** Models in segments on echo: how they hang together, and how they are loaded. */
import { InferenceError, loadPipeline, timingsOf, type PipelineOptions, type Segment } from '../lib/index.js';
import { native } from '../lib/native.js';
import { echo } from './support/echo.js';
import { Folder } from './support/folder.js';
import { gone, load, run, step, two } from './support/pipeline.js';
import { numbers } from './support/values.js';
import { rejection, thrown } from './support/wait.js';

const folder = new Folder();
const x = Float32Array.of(1);

async function refusal(segments: readonly Segment[], options: PipelineOptions = {}): Promise<InferenceError> {
  const error = await rejection(load(segments, options));
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

describe('how segments hang together', () => {
  it('by name: runs as any model, and says what it is made of', async () => {
    const pipeline = await load(two());
    expect(pipeline.inputs).toEqual([{ name: 'x', dtype: 'f32', shape: [1] }]);
    expect(pipeline.outputs).toEqual([{ name: 'y', dtype: 'f32', shape: [1] }]);
    expect(pipeline.info).toMatchObject({
      backend: 'echo',
      device: 'echo:1, echo:2',
      devices: ['echo:1', 'echo:2'],
      members: [['echo:1'], ['echo:2']],
      path: null,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      inFlight: 3, // one more than segments
      queueLimit: 64,
      isolated: false,
    });
    const outputs = await pipeline.run({ x });
    expect(numbers(outputs['y']!.data)).toEqual([12]);
    expect(timingsOf(outputs).total).toBeGreaterThan(0);
    expect(pipeline.segments()).toMatchObject([
      { info: { device: 'echo:1' }, inputs: [{ name: 'x' }], outputs: [{ name: 'm' }], runs: 1, failures: 0 },
      {
        info: { device: 'echo:2' },
        inputs: [{ name: 'm' }],
        running: 0,
        waiting: 0,
        compute: { count: 1 },
        host: null,
      },
    ]);
    expect(pipeline.devices()).toMatchObject([
      { device: 'echo:1', runs: 1, inFlight: 0, state: 'healthy' },
      { device: 'echo:2', runs: 1, failures: 0 },
    ]);
    expect(pipeline.host()).toBeNull();
    expect(await pipeline.layers()).toEqual([]);
  });

  it('requests in native memory: nothing is copied on the way', async () => {
    const pipeline = await load(two());
    using request = pipeline.createRequest();
    for (let value = 0; value < 5; value++) {
      (request.inputs['x']!.data as Float32Array)[0] = value;
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual([value + 11]);
    }
    request.runSync();
    expect(request.model).toBe(pipeline);
    expect(pipeline.statistics()).toMatchObject({ completed: 6, bytesCopied: 0 });
    expect(pipeline.statistics().bytesHeld).toBeGreaterThanOrEqual(12);
  });

  it('what an SDK cannot use in place is counted', async () => {
    const pipeline = await load(two(['copy'], ['copy']));
    using request = pipeline.createRequest();
    await request.run();
    expect(pipeline.statistics().bytesCopied).toBe(8);
  });

  it('a tensor may skip segments, and outputs that nobody takes are those of the whole', async () => {
    const pipeline = await load([
      { file: echo('input x f32 1', 'output a = add x 1', 'output b = add x 2', 'output side = add x 3') },
      step('a', 'c', 10),
      { file: echo('input c f32 1', 'input b f32 1', 'output y = add c 100', 'output z = add b 100') },
    ]);
    expect(pipeline.outputs.map(({ name }) => name)).toEqual(['side', 'y', 'z']);
    const outputs = await pipeline.run({ x });
    expect(Object.entries(outputs).map(([name, { data }]) => [name, data[0]])).toEqual([
      ['side', 4],
      ['y', 112],
      ['z', 103],
    ]);
    expect(pipeline.info.inFlight).toBe(4);
  });

  it('the nearest segment before it gives what several call the same', async () => {
    const pipeline = await load([step('x', 'm', 1), step('m', 'm', 10), step('m', 'y', 100)]);
    expect(await run(pipeline)).toBe(112);
  });

  it('by position where no name fits, also when all call their ports the same', async () => {
    const pipeline = await load([step('x', 'y', 1), step('x', 'y', 10), step('x', 'y', 100)]);
    expect(pipeline.inputs).toHaveLength(1);
    expect(pipeline.outputs.map(({ name }) => name)).toEqual(['y']);
    expect(await run(pipeline)).toBe(112);
  });

  it('a later segment may take inputs of the whole too: shared by name, or its own', async () => {
    const pipeline = await load([
      step('x', 'm', 1),
      {
        file: echo(
          ...['input m f32 1', 'input x f32 1', 'input w i32 2'],
          ...['output y = add m 10', 'output same = identity x', 'output v = identity w'],
        ),
      },
    ]);
    expect(pipeline.inputs.map(({ name }) => name)).toEqual(['x', 'w']);
    using request = pipeline.createRequest();
    (request.inputs['x']!.data as Float32Array).set(x);
    (request.inputs['w']!.data as Int32Array).set([7, 8]);
    await request.run();
    expect(Object.values(request.outputs).map(({ data }) => numbers(data))).toEqual([[12], [1], [7, 8]]);
    expect(pipeline.statistics().bytesCopied).toBe(0); // x lies in one memory for both
  });

  it('one segment is a pipeline too', async () => {
    expect(await run(await load([step('x', 'y', 5)]))).toBe(6);
  });

  it('shapes that runs decide: bound anew when they change, and a refused one changes nothing', async () => {
    const pipeline = await load([
      { file: echo('input x f32 ?', 'output m = add x 1') },
      { file: echo('input m f32 ?', 'output y = add m 10') },
    ]);
    for (const values of [[1], [1, 2, 3], [], [4]]) {
      const { y } = await pipeline.run({ x: Float32Array.from(values) });
      expect(y!.shape).toEqual([values.length]);
      expect(numbers(y!.data)).toEqual(values.map((value) => value + 11));
    }
    using request = pipeline.createRequest({ shapes: { x: [2] } });
    request.reshape({ x: [3] });
    (request.inputs['x']!.data as Float32Array).set([1, 2, 3]);
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([12, 13, 14]);

    const narrow = await load([
      { file: echo('input x f32 ?', 'output m = add x 1') },
      { file: echo('input m f32 2', 'output y = add m 10') },
    ]);
    using held = narrow.createRequest({ shapes: { x: [2] } });
    expect(thrown(() => held.reshape({ x: [3] }))).toMatchObject({
      code: 'ERR_INVALID_TENSOR',
      message: expect.stringMatching(/^Segment 2 of 2: /),
    });
    (held.inputs['x']!.data as Float32Array).set([1, 2]);
    await held.run();
    expect(numbers(held.outputs['y']!.data)).toEqual([12, 13]);
  });

  it('shapes that the data decides reach the next segment', async () => {
    const pipeline = await load([
      { file: echo('input x f32 4', 'output m = nonzero x') },
      { file: echo('input m i64 ?', 'output y = identity m') },
    ]);
    using request = pipeline.createRequest();
    for (const values of [
      [0, 1, 0, 1],
      [1, 1, 1, 1],
      [0, 0, 0, 0],
      [0, 0, 0, 2],
    ]) {
      const wanted = values.flatMap((value, i) => (value === 0 ? [] : [i]));
      expect(numbers((await pipeline.run({ x: Float32Array.from(values) }))['y']!.data)).toEqual(wanted);
      (request.inputs['x']!.data as Float32Array).set(values);
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual(wanted);
    }
  });

  it.each([
    [
      'dtype',
      'input m i32 1',
      /segment 1 \(a\.echo\) gives 'm' as f32 \[1\], segment 2 \(b\.echo\) takes 'm' as i32 \[1\]/,
    ],
    ['shape', 'input m f32 2', /a\.echo.*f32 \[1\].*b\.echo.*f32 \[2\]/],
    ['name', 'input q f32 2', /a\.echo.*'m' as f32 \[1\].*b\.echo.*'q' as f32 \[2\]/],
    [
      'number of inputs',
      'input q f32 1\ninput r f32 1',
      /segment 2 \(b\.echo\) takes nothing that segment 1 \(a\.echo\)/,
    ],
  ])('refused in words: another %s', async (_, input, message) => {
    const name = input.split(' ')[1]!;
    const a = folder.write('a.echo', step('x', 'm', 1).file as Uint8Array);
    const b = folder.write('b.echo', echo(input, `output y = identity ${name}`));
    const { models } = native().process();
    expect(await refusal([{ file: a }, { file: b }])).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message: expect.stringMatching(message),
    });
    await gone({ models });
  });

  it('refused in words: another quantization, the wrong order, and two outputs of one name', async () => {
    const quantized = (name: string, zeroPoint: number, ...lines: string[]): Segment => ({
      file: echo(...lines, `quantized ${name} - 0.5 ${zeroPoint}`),
    });
    const first = quantized('m', 3, 'input x u8 4', 'output m = identity x');
    const second = (zeroPoint: number): Segment => quantized('m', zeroPoint, 'input m u8 4', 'output y = identity m');
    await load([first, second(3)]);
    expect(await refusal([first, second(4)])).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message: expect.stringContaining('quantised by another scale or zero point'),
    });
    const [a, b] = two();
    expect(await refusal([b!, a!])).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message: "The segments are in the wrong order: segment 2 gives 'm', which segment 1 takes.",
    });
    const forked = { file: echo('input x f32 1', 'output m = add x 1', 'output y = add x 2') };
    expect(await refusal([forked, step('m', 'y', 1)])).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message: "Two segments give an output 'y' of the whole: segment 1 and segment 2.",
    });
  });
});

describe('loading', () => {
  it('a segment that cannot be loaded is named, and the others are gone', async () => {
    const { models, requests } = native().process();
    const error = await refusal([step('x', 'm', 1), { file: echo('refuse ERR_UNSUPPORTED') }]);
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringMatching(/^Segment 2 of 2: /) });
    expect(await refusal([{ file: '/no/such/a.tflite' }, step('m', 'y', 1)])).toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
      message: expect.stringMatching(/^Segment 1 of 2: .*a\.tflite/),
    });
    await gone({ models, requests });
  });

  it.each([[undefined], [[]], [{}], [[null]], [[{ device: 'echo' }]]])('wrong segments: %j', async (segments) => {
    expect(await refusal(segments as unknown as Segment[])).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('wrong options, before anything is loaded', async () => {
    const neverOpened = [{ file: '/no/such/file' }];
    for (const options of [{ inFlight: 0 }, { queueLimit: -1 }, { deadlineMs: NaN }, { advanced: { dispatch: 'x' } }]) {
      expect(await refusal(neverOpened, options as PipelineOptions)).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    }
    expect(await rejection(loadPipeline(two(), null as unknown as PipelineOptions))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect(await refusal(two(), { advanced: { dispatch: 'async' } })).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  it('progress, a deadline and a signal hold for all segments', async () => {
    const stages: string[] = [];
    await load(two(), { onProgress: ({ stage, device }) => void stages.push(`${stage} ${device}`) });
    expect(stages).toEqual(['locate echo:1', 'load echo:1', 'locate echo:2', 'load echo:2', 'ready echo:1, echo:2']);
    // The first one loads in no time; a host process is not there at once on a busy machine.
    const slow = two([], ['load_ms 60000']).map((one, i) => ({ ...one, isolate: i === 1 }));
    expect(await refusal(slow, { deadlineMs: 500 })).toMatchObject({
      code: 'ERR_TIMEOUT',
      message: expect.stringMatching(/^Segment 2 of 2: /),
    });
    const controller = new AbortController();
    const loading = load(slow, {
      signal: controller.signal,
      onProgress: ({ stage, device }) => void (stage === 'load' && device === 'echo:2' && controller.abort('enough')),
    });
    expect(await rejection(loading)).toBe('enough');
  });

  it('what a segment says wins over what is said for all', async () => {
    const pipeline = await load(
      [
        { ...step('x', 'm', 1), device: 'echo:1', properties: { delay_ms: 0 } },
        { ...step('m', 'y', 10), inFlight: 3 },
      ],
      { properties: { fail_at: '1 ERR_BACKEND' }, device: 'echo:2', inFlight: 5, queueLimit: 7 },
    );
    expect(pipeline.info).toMatchObject({ device: 'echo:1, echo:2', inFlight: 5, queueLimit: 7 });
    expect(pipeline.segments().map(({ info }) => info.inFlight)).toEqual([1, 3]);
    expect(await rejection(run(pipeline))).toMatchObject({ message: expect.stringMatching(/^Segment 2 of 2: /) });
  });
});
