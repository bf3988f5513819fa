/** MediaPipe's face detectors: weights in f16, and in one of them sparse, give the same numbers on every runtime. */
import path from 'node:path';
import type { Outputs } from '../../../../lib/types.js';
import { astronaut } from '../../../support/astronaut.js';
import { Folder } from '../../../support/folder.js';
import { litert } from '../../../support/litert.js';
import { expectSame, f32, spread } from '../../../support/onnxruntime.js';
import { photograph } from '../../../support/photographs.js';
import { builtIn, load } from '../models.js';

const folder = new Folder();
const models = path.dirname(require.resolve('@mediapipe/face_detection/package.json'));

describe.each([
  { file: 'face_detection_short_range.tflite', side: 128, anchors: 896, sparse: false },
  { file: 'face_detection_full_range.tflite', side: 192, anchors: 2304, sparse: false },
  { file: 'face_detection_full_range_sparse.tflite', side: 192, anchors: 2304, sparse: true },
])('$file', ({ file, side, anchors, sparse }) => {
  const model = path.join(models, file);

  async function pixels(): Promise<Float32Array> {
    const range = { mean: 127.5, scale: 127.5 };
    return photograph(astronaut(), { width: side, height: side, last: true, bgr: false, ...range });
  }

  it('is there in f32, and XNNPACK takes every node, those that unpack weights too', async () => {
    const loaded = await load(model);
    expect(loaded.inputs).toMatchObject([{ dtype: 'f32', shape: [1, side, side, 3] }]);
    expect(loaded.outputs).toMatchObject([
      { dtype: 'f32', shape: [1, anchors, 16] },
      { dtype: 'f32', shape: [1, anchors, 1] },
    ]);
    expect(loaded.info.precision).toEqual({ requested: 'model', actual: 'f32' });
    expect(loaded.info.properties['NODES_XNNPACK']).toBe(loaded.info.properties['NODES']);
    const types = new Set((await loaded.layers()).map(({ type }) => type));
    expect([types.has('DEQUANTIZE'), types.has('DENSIFY')]).toEqual([true, sparse]);
  });

  it('equals ai-edge-litert by XNNPACK and by the built-in kernels, and OpenVINO on the same file', async () => {
    const data = await pixels();
    const outputs = async (options: Parameters<typeof load>[1]): Promise<Outputs> => {
      const loaded = await load(model, options);
      return loaded.run({ [loaded.inputs[0]!.name]: data });
    };
    const ours = await outputs({});
    for (const output of Object.values(ours)) expect(spread(output)).toBeGreaterThan(1);
    const input = { [(await load(model)).inputs[0]!.name]: f32([1, side, side, 3], data) };
    expectSame(ours, litert(folder, model, [input], 'xnnpack')[0]!);
    expectSame(await outputs(builtIn), litert(folder, model, [input], 'builtin')[0]!);
    expectSame(await outputs({ device: 'openvino:cpu' }), ours);
  });
});
