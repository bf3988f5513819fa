/** TFLite: models and values that somebody made on purpose or by mistake: parts that are not there, memory that is overwritten. */
import { InferenceError } from '../../../lib/index.js';
import type { LoadOptions, ModelSource } from '../../../lib/types.js';
import { asset, describeAssets } from '../../support/assets.js';
import { runProgram } from '../../support/child.js';
import { addTflite, copyOf, plus } from '../../support/tflite-graphs.js';
import { options, Tflite, type Graph } from '../../support/tflite.js';
import { numbers } from '../../support/values.js';
import { rejection, thrown } from '../../support/wait.js';
import { dataOf, f32Of } from '../conformance/harness.js';
import { builtIn, load } from './models.js';

/** What a load, a request or a run of a damaged model ends with. */
async function refusal(source: ModelSource, loadOptions?: LoadOptions): Promise<InferenceError> {
  const error = await rejection(
    (async () => {
      const model = await load(source, loadOptions);
      await model.createRequest().run();
    })(),
  );
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

function made(build: (graph: Graph) => void): Uint8Array {
  const model = new Tflite();
  build(model.main);
  return model.build();
}

describe('a model', () => {
  const whole = addTflite(1, [2]);
  it.each([
    ['without bytes', new Uint8Array(0)],
    ['that is cut off', whole.slice(0, 40)],
    ['that is cut off at its end', whole.slice(0, -8)],
    ['of other bytes', new Uint8Array(500).fill(0x41)],
    ['whose root lies outside', Uint8Array.from(whole, (byte, i) => (i < 4 ? 0xff : byte))],
    [
      'of another schema',
      made((graph) => graph.output(graph.input('x', 'f32', [1]))).map((b, i) => (i === 7 ? 0x34 : b)),
    ],
  ])('%s', async (_, bytes) => {
    expect((await refusal(bytes)).code).toBe('ERR_INVALID_MODEL');
  });

  it.each([
    [
      'an output that is no tensor',
      (graph: Graph) => {
        const x = graph.input('x', 'f32', [1]);
        graph.output({ ...plus(graph, x, 1, 'y'), index: -1 });
      },
    ],
    [
      'an output that it does not have',
      (graph: Graph) => {
        const x = graph.input('x', 'f32', [1]);
        graph.output({ ...plus(graph, x, 1, 'y'), index: 99 });
      },
    ],
    [
      'an input that is no tensor',
      (graph: Graph) => {
        const x = graph.input('x', 'f32', [1]);
        graph.feed({ ...x, index: -1 });
        graph.output(plus(graph, x, 1, 'y'));
      },
    ],
    // What is written into it would be the model of all requests.
    [
      'an input that is a constant',
      (graph: Graph) => {
        const x = graph.constant('f32', [1], Float32Array.of(1));
        graph.feed(x);
        graph.output(plus(graph, x, 1, 'y'));
      },
    ],
    [
      'an operator that reads what it writes',
      (graph: Graph) => {
        const y = plus(graph, graph.input('x', 'f32', [1]), 1, 'y');
        graph.output(plus(graph, { ...y, index: y.index + 2 }, 1, 'z'));
      },
    ],
    [
      'a constant with fewer bytes than its shape',
      (graph: Graph) => {
        const long = graph.constant('f32', [1000], Float32Array.of(1));
        graph.output(
          graph.op('ADD', [graph.input('x', 'f32', [1000]), long], { dtype: 'f32', shape: [1000] }, options.add),
        );
      },
    ],
    [
      'dimensions that no memory holds',
      (graph: Graph) => {
        graph.output(copyOf(graph, graph.input('x', 'f32', [2 ** 30, 2 ** 30]), 'y'));
      },
    ],
  ] as const)('with %s', async (_, build) => {
    for (const kernels of [{}, builtIn]) {
      expect((await refusal(made(build), kernels)).code).toMatch(
        /^ERR_(INVALID_MODEL|INVALID_TENSOR|OUT_OF_MEMORY|BACKEND)$/,
      );
    }
  });
});

describe('shapes', () => {
  /** y = x, in a shape that has room for [2, 2] only. */
  const fixed = made((graph) => {
    const x = graph.input('x', 'f32', [-1, 2], { firstShape: [2, 2] });
    const shape = graph.constant('i32', [1], Int32Array.of(4));
    graph.output(graph.op('RESHAPE', [x, shape], { dtype: 'f32', shape: [4], name: 'y' }, options.reshape([4])));
  });

  it.each([
    ['that the model cannot run with', [3, 2]],
    ['that no memory holds', [2 ** 30, 2]],
    ['that TFLite cannot count', [2 ** 31, 2]],
    ['of which TFLite would take the rest', [2 ** 32 + 2, 2]],
  ])('%s are refused; the request goes on with those that it has', async (_, shape) => {
    for (const kernels of [{}, builtIn]) {
      const model = await load(fixed, kernels);
      const request = model.createRequest({ shapes: { x: [2, 2] } });
      const { inputs, outputs } = request;
      for (const first of [1, 2]) {
        f32Of(inputs, 'x').set([first, 2, 3, 4]);
        await request.run();
        expect(numbers(outputs['y']!.data)).toEqual([first, 2, 3, 4]);
        const error = thrown(() => request.reshape({ x: shape })) as InferenceError;
        expect(error.code).toMatch(/^ERR_(INVALID_TENSOR|OUT_OF_MEMORY)$/);
        expect(error.remedy).not.toBe('');
      }
      expect(await rejection(load(fixed, { ...kernels, shapes: { x: shape } }))).toMatchObject({
        code: expect.stringMatching(/^ERR_(INVALID_TENSOR|OUT_OF_MEMORY)$/) as string,
      });
    }
  });
});

describe('values', () => {
  /** y = the elements of [10, 20, 30] that x names. */
  const gather = made((graph) => {
    const data = graph.constant('f32', [3], Float32Array.of(10, 20, 30));
    const x = graph.input('x', 'i32', [2]);
    graph.output(graph.op('GATHER', [data, x], { dtype: 'f32', shape: [2], name: 'y' }, [23, {}]));
  });

  it('that index beyond the data are an error, and the request goes on', async () => {
    const model = await load(gather);
    const request = model.createRequest();
    for (const far of [3, -1, 2 ** 31 - 1, -(2 ** 31)]) {
      (dataOf(request.inputs, 'x') as Int32Array).set([0, far]);
      const error = (await rejection(request.run())) as InferenceError;
      expect(error).toMatchObject({ code: 'ERR_BACKEND', message: expect.stringContaining('TFLite') as string });
      (dataOf(request.inputs, 'x') as Int32Array).set([2, 0]);
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual([30, 10]);
    }
    expect(await rejection(model.run({ x: Int32Array.of(1, 7) }))).toMatchObject({ code: 'ERR_BACKEND' });
    expect(numbers((await model.run({ x: Int32Array.of(1, 2) }))['y']!.data)).toEqual([20, 30]);
  });

  it('that are no numbers reach the model and come back', async () => {
    const model = await load(addTflite(1, [4]));
    const { y } = await model.run({ x: Float32Array.of(NaN, Infinity, -Infinity, 3.4028234663852886e38) });
    expect(numbers(y!.data)).toEqual([NaN, Infinity, -Infinity, 3.4028234663852886e38]);
  });
});

describeAssets('bad inputs', () => {
  const bad = (name: string): string => asset('bad', name);

  // Never loaded here: it writes beyond its memory, which ends the process that frees it.
  it.each([
    ['XNNPACK', {}],
    ['the built-in kernels', builtIn],
  ])('a model that overwrites memory ends the process that tries it, and no other: %s', async (_, kernels) => {
    const { code, signal, stdout } = await runProgram(`
      const options = { device: 'tflite:cpu', trust: 'probe', deadlineMs: 60_000, ...${JSON.stringify(kernels)} };
      const error = await edge.loadModel(${JSON.stringify(bad('keyword_scrambled_8bit.tflite'))}, options).catch((error) => error);
      console.log(error.code, error.remedy !== '', error.cause?.code);
      const model = await edge.loadModel(Uint8Array.from(${JSON.stringify([...addTflite(2, [1])])}), options);
      console.log((await model.run({ x: Float32Array.of(1) })).y.data[0]);
    `);
    expect({ code, signal, stdout }).toEqual({
      code: 0,
      signal: null,
      stdout: 'ERR_INVALID_MODEL true ERR_DEVICE_LOST\n3\n',
    });
  });

  it.each([
    ['model_invoking_error.tflite', 'fake-op-double'],
    ['person_detect_vela.tflite', 'ethos-u'],
  ])('%s: the operator that is missing is named, by a probe as without one', async (file, operator) => {
    for (const trust of ['trusted', 'probe'] as const) {
      const error = await refusal(bad(file), { trust });
      expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(operator) as string });
    }
  });
});
