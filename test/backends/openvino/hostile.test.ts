/** OpenVINO: models and tensors that somebody made on purpose or by mistake: impossible sizes, memory that goes away. */
import { onnx } from 'onnx-proto';
import { InferenceError } from '../../../lib/index.js';
import type { LoadOptions, ModelSource } from '../../../lib/types.js';
import { runProgram } from '../../support/child.js';
import { Folder } from '../../support/folder.js';
import { addIr, identityIr, Ir, type IrModel } from '../../support/ir.js';
import { addOnnx } from '../../support/onnx.js';
import { numbers } from '../../support/values.js';
import { detach, rejection, thrown } from '../../support/wait.js';
import { closeAll, load, loadIr } from './models.js';

const folder = new Folder();
const x = Float32Array.of(1, 2);

afterEach(closeAll);

/** What a load, a request or a run of a damaged model ends with. */
async function refusal(source: ModelSource, options?: LoadOptions): Promise<InferenceError> {
  const error = await rejection(
    (async () => {
      const model = await load(source, options);
      await model.createRequest().run();
    })(),
  );
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

/** y = x + 1 with one line of its IR changed. */
function changed(from: string | RegExp, to: string, model: IrModel = addIr(1, [2])): IrModel {
  const text = new TextDecoder().decode(model.xml);
  const xml = text.replace(from, to);
  expect(xml).not.toBe(text);
  return { xml: new TextEncoder().encode(xml), bin: model.bin };
}

describe('an IR', () => {
  it.each([
    ['dimensions whose product overflows', 'shape="2"', 'shape="4294967296,4294967296,4294967296"'],
    ['weights longer than the file', 'size="4"', 'size="4000000000"'],
    ['weights from beyond the file', 'offset="0"', 'offset="18446744073709551612"'],
    ['a constant larger than its bytes', 'shape="" offset', 'shape="1000000" offset'],
    ['a constant of gigantic shape', 'shape="" offset', 'shape="9223372036854775807,2" offset'],
    ['an operation that nobody knows', 'type="Add"', 'type="Subvert"'],
    ['a layer twice', '<layer id="1"', '<layer id="0"'],
    ['an edge to a layer that is not there', 'to-layer="2"', 'to-layer="77"'],
  ])('with %s', async (_, from, to) => {
    const { xml, bin } = changed(from, to);
    expect((await refusal(xml, { weights: bin })).code).toMatch(
      /^ERR_(INVALID_MODEL|INVALID_TENSOR|OUT_OF_MEMORY|UNSUPPORTED)$/,
    );
  });

  it('without an edge ends the process that reads it: a probe makes that an error', async () => {
    const { xml, bin } = changed(/<edge from-layer="0".*?\/>/, '');
    const files = { xml: folder.write('edge.xml', xml), bin: folder.write('edge.bin', bin) };
    const { code, signal, stdout } = await runProgram(`
      const options = { device: 'openvino:cpu', trust: 'probe', deadlineMs: 60_000 };
      const error = await edge.loadModel(${JSON.stringify(files.xml)}, options).catch((error) => error);
      console.log(error.code, error.remedy !== '');
      const model = await edge.loadModel(Uint8Array.from(${JSON.stringify([...addOnnx(2, [1])])}), options);
      console.log((await model.run({ x: Float32Array.of(1) })).y.data[0]);
    `);
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'ERR_INVALID_MODEL true\n3\n' });
  });
});

describe('an ONNX model', () => {
  type Change = (graph: onnx.IGraphProto) => void;
  const weight = (graph: onnx.IGraphProto): onnx.ITensorProto => graph.initializer![0]!;
  const dims = (graph: onnx.IGraphProto) => graph.input![0]!.type!.tensorType!.shape!.dim!;
  it.each([
    ['a weight of negative dimensions', (graph) => (weight(graph).dims = [-4])],
    ['a weight of gigantic dimensions', (graph) => (weight(graph).dims = [2 ** 40, 2 ** 40])],
    ['a weight with fewer bytes than its shape', (graph) => (weight(graph).dims = [1000])],
    ['a weight of a type that there is not', (graph) => (weight(graph).dataType = 999)],
    [
      'an input whose dimensions overflow',
      (graph) => (graph.input![0]!.type!.tensorType!.shape!.dim = Array(4).fill({ dimValue: 2 ** 31 })),
    ],
    ['an input of gigantic dimensions', (graph) => (dims(graph)[0] = { dimValue: 2 ** 45 })],
    ['a node that reads its own output', (graph) => (graph.node![0]!.input = ['y', 'c'])],
    ['an output that nobody computes', (graph) => (graph.output![0]!.name = 'z')],
  ] as [string, Change][])('with %s', async (_, change) => {
    const model = onnx.ModelProto.toObject(onnx.ModelProto.decode(addOnnx(1, [2])), {
      longs: Number,
    }) as onnx.IModelProto;
    change(model.graph!);
    const bytes = Uint8Array.from(onnx.ModelProto.encode(onnx.ModelProto.fromObject(model)).finish());
    expect((await refusal(bytes)).code).toMatch(/^ERR_(INVALID_MODEL|INVALID_TENSOR|OUT_OF_MEMORY|UNSUPPORTED)$/);
  });
});

describe('shapes of a dynamic model', () => {
  it.each([
    ['that no memory holds', [2 ** 44]],
    ['whose bytes overflow', [2 ** 52]],
  ])('%s are refused, and the model goes on', async (_, shape) => {
    const model = await loadIr(addIr(1, [-1]));
    const error = thrown(() => model.createRequest({ shapes: { x: shape } }));
    expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(OUT_OF_MEMORY|INVALID_TENSOR)$/) as string });
    expect((error as InferenceError).remedy).not.toBe('');
    const values = await rejection(model.run({ x: { data: x, shape } }));
    expect(values).toMatchObject({ code: 'ERR_INVALID_TENSOR' });
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2, 3]);
  });

  it('given at load', async () => {
    const { xml, bin } = addIr(1, [-1]);
    const error = await refusal(xml, { weights: bin, shapes: { x: [2 ** 52] } });
    expect(error.code).toMatch(/^ERR_(OUT_OF_MEMORY|INVALID_TENSOR|INVALID_ARGUMENT)$/);
  });
});

describe('values', () => {
  it('that are no numbers reach the model and come back', async () => {
    const model = await loadIr(addIr(1, [4]));
    const { y } = await model.run({ x: Float32Array.of(NaN, Infinity, -Infinity, 3.4028234663852886e38) });
    expect(numbers(y!.data)).toEqual([NaN, Infinity, -Infinity, 3.4028234663852886e38]);
  });

  it('that index beyond the data are an error or a value, never the end', async () => {
    const ir = new Ir();
    const data = ir.constant('f32', [4], Float32Array.of(1, 2, 3, 4));
    const at = ir.parameter('x', 'i64', [3]);
    const axis = ir.constant('i64', [], BigInt64Array.of(0n));
    ir.result(ir.op('Gather', 'opset8', { batch_dims: 0 }, [data, at, axis], { type: 'f32', shape: [3], name: 'y' }));
    const model = await loadIr(ir.build());
    const far = BigInt64Array.of(2n ** 40n, -(2n ** 40n), 2n ** 62n);
    const ended = await model.run({ x: far }).catch((error: unknown) => error);
    if (ended instanceof Error) expect(ended).toBeInstanceOf(InferenceError);
    expect(numbers((await model.run({ x: BigInt64Array.of(0n, 3n, 1n) }))['y']!.data)).toEqual([1, 4, 2]);
  });

  it('in an array that was detached are refused; detached after the call they were copied already', async () => {
    const model = await loadIr(addIr(1, [2]));
    const gone = Float32Array.of(1, 2);
    detach(gone.buffer);
    expect(await rejection(model.run({ x: gone }))).toMatchObject({ code: 'ERR_INVALID_TENSOR' });
    const leaving = Float32Array.of(3, 4);
    const run = model.run({ x: leaving });
    detach(leaving.buffer);
    expect(numbers((await run)['y']!.data)).toEqual([4, 5]);
  });
});

describe('bytes of a model', () => {
  const bytes = addOnnx(1, [2]);
  const around = (buffer: ArrayBufferLike): Uint8Array => {
    const view = new Uint8Array(buffer, 13, bytes.length); // not aligned, and not all of it
    view.set(bytes);
    return view;
  };

  it.each([
    ['in the middle of a buffer', new ArrayBuffer(bytes.length + 40)],
    ['in shared memory', new SharedArrayBuffer(bytes.length + 40)],
  ])('%s', async (_, buffer) => {
    const model = await load(around(buffer));
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2, 3]);
  });

  it('that are detached are no model', async () => {
    const gone = around(new ArrayBuffer(bytes.length + 40));
    detach(gone.buffer as ArrayBuffer);
    expect((await refusal(gone)).code).toBe('ERR_INVALID_MODEL');
  });

  it.each([
    ['detached', 'new MessageChannel().port1.postMessage(null, [bytes.buffer]); globalThis.gc();'],
    ['overwritten', 'bytes.fill(0xff);'],
  ])('that are %s during the load: a model or a typed error', async (_, deed) => {
    const { code, signal, stdout } = await runProgram(`
      require('node:v8').setFlagsFromString('--expose-gc');
      globalThis.gc = require('node:vm').runInNewContext('gc');
      const whole = ${JSON.stringify([...bytes])};
      let outcomes = new Set();
      for (let i = 0; i < 20; i++) {
        const bytes = Uint8Array.from(whole);
        const loading = edge.loadModel(bytes, { device: 'openvino:cpu' });
        if (i % 2 === 1) await null;
        for (let turn = i >> 1; turn > 0; turn--) await new Promise(setImmediate);
        ${deed}
        const end = await loading.then(async (model) => (await model.run({ x: Float32Array.of(1, 2) })).y.data[1], (error) => error.code);
        outcomes.add(String(end));
      }
      console.log([...outcomes].filter((one) => !['3', 'ERR_INVALID_MODEL'].includes(one)).join() || 'fine');
    `);
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'fine\n' });
  });
});

describe('memory that is limited', () => {
  it('ends in an error, not in the process; what fits still runs', async () => {
    const { xml, bin } = identityIr('f32', [-1]);
    expect(bin).toHaveLength(0);
    const file = folder.write('identity.xml', xml);
    // The process limits itself when everything is loaded: how much Node and the SDK need before that is theirs.
    const { code, signal, stdout } = await runProgram(`
      const fs = require('node:fs');
      const model = await edge.loadModel(${JSON.stringify(file)}, { device: 'openvino:cpu' });
      await model.run({ x: Float32Array.of(1) });
      const used = Number(/VmSize:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
      const limit = used + 2 ** 29;
      require('node:child_process').execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + limit]);
      const requests = [];
      let error = null;
      while (error === null && requests.length < 64) {
        try { requests.push(model.createRequest({ shapes: { x: [2 ** 24] } })); } catch (caught) { error = caught; }
      }
      console.log(error.code, error.remedy !== '', requests.length > 0);
      for (const request of requests) request.dispose();
      console.log((await model.run({ x: Float32Array.of(5) })).y.data[0]);
    `);
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'ERR_OUT_OF_MEMORY true true\n5\n' });
  });
});
