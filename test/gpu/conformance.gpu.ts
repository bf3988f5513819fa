/** The conformance suite on a GPU, on engines that its TensorRT builds of ONNX models: `npm run test:gpu`. */
import { loadModel } from '../../lib/index.js';
import type { Dtype, LoadOptions } from '../../lib/types.js';
import { conformance, type ConformanceBackend, type Loadable } from '../backends/conformance.js';
import { engine, input, output } from '../support/engine.js';
import { Folder } from '../support/folder.js';
import { addOnnx } from '../support/onnx.js';
import { identity, nonzero, pair, slow } from './models.js';
import { record, simulated } from './record.js';

const folder = new Folder();
const cache = folder.path;
const patient = { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 };

// bf16 and i64 ports came with TensorRT 10, and u8 ones are for images only.
const dtypes: readonly Dtype[] = ['f32', 'f16', 'i32', 'bool'];

/** Of the loop that takes its time: so many that a run takes about a second here. */
let second = 0;

beforeAll(async () => {
  if (simulated) return;
  const steps = 500;
  const model = await loadModel(slow(steps), { device: 'tensorrt', cache });
  const x = Float32Array.of(1);
  await model.run({ x });
  const begin = performance.now();
  await model.run({ x });
  const ms = performance.now() - begin;
  await model.dispose();
  second = Math.ceil((steps * 1000) / ms);
  record('loop steps a second', second);
}, 600_000);

function open(shape: readonly number[]): LoadOptions {
  if (shape.every((dim) => dim >= 0)) return {};
  const text = (size: number): string => `x:${shape.map((dim) => (dim < 0 ? size : dim)).join('x')}`;
  // In TensorRT 8 each request with open shapes has a profile of its own.
  const several = (size: number): string => Array.from({ length: 20 }, () => text(size)).join(';');
  return { properties: { MIN_SHAPES: several(0), OPT_SHAPES: several(16), MAX_SHAPES: several(2048) } };
}

function long(seconds: number): Loadable {
  if (!simulated) return { source: slow(Math.ceil(second * seconds)) };
  const lines = [input('x', 'f32', [1]), output('y', 'add', 'x', '1'), `duration_us ${seconds * 1e6}`];
  return { source: engine(...lines) };
}

function backend(isolate: LoadOptions['isolate']): ConformanceBackend {
  return {
    device: 'tensorrt:0',
    async: false,
    dtypes,
    copiesUnknownShapes: false,
    options: { isolate: isolate!, cache },
    models: {
      identity: (dtype, shape, [from, to] = ['x', 'y']) => {
        const name = to === from ? `${to}:1` : to;
        return { source: identity(dtype, shape, [from, name]), options: open(shape) };
      },
      add: (number, shape) => ({
        source: addOnnx(
          number,
          shape.map((dim) => (dim < 0 ? 'n' : dim)),
        ),
        options: open(shape),
      }),
      pair: () => ({ source: pair() }),
      nonzero: (length) => ({ source: nonzero(length) }),
      slow: () => long(0.6),
      long: () => long(6),
    },
  };
}

describe('on the GPU, in-process', () => conformance(backend(false)));
describe('on the GPU, isolated', () => conformance(backend(patient)));
