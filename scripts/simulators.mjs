// The simulated SDKs for tests, as environment variables that name them and the folders by which tests control them.
import fs from 'node:fs';
import path from 'node:path';
import { root } from './root.mjs';

/** The simulated Edge TPU driver in a build folder, in the binary layout `old` or `new`; nothing is plugged in. */
export function edgeTpuSimulator(folder, layout) {
  const control = path.join(folder, `control-${layout}`);
  fs.rmSync(control, { recursive: true, force: true });
  fs.mkdirSync(control);
  const assets = process.env.EDGE_INFER_ASSETS;
  return {
    EDGE_INFER_EDGETPU: path.join(folder, `edgetpu-${layout}`, 'libedgetpu.so.1'),
    EDGE_INFER_EDGETPU_SIMULATOR: control,
    EDGE_INFER_LOCKS: control,
    ...(assets && { EDGE_INFER_EDGETPU_TWIN: path.join(assets, 'models', 'mobilenet_v1_0.25_128_quant.tflite') }),
  };
}

/** Those of TensorRT: the last release before tensors had names, and each major version. */
export const tensorrtReleases = ['8.2', '8', '10', '11'];

/** Those that run emulated: dimensions are passed in other ways by 8 and by 10. */
export const emulatedReleases = ['8.2', '10'];

/** A simulated GPU with this release of TensorRT, of the simulators that are built; `name` is its folder of settings,
 * `built` that of the simulators. */
export function tensorrtSimulator(release, name, built = 'simulators') {
  const folder = path.join(root, 'build', built);
  const control = path.join(folder, `control-${name}`);
  fs.rmSync(control, { recursive: true, force: true });
  fs.mkdirSync(control, { recursive: true });
  return {
    EDGE_INFER_CUDA: path.join(folder, 'cuda', 'libcuda.so.1'),
    EDGE_INFER_CUDA_SIMULATOR: control,
    EDGE_INFER_TENSORRT: path.join(folder, `nvinfer-${release}`, `libnvinfer.so.${Number.parseInt(release, 10)}`),
  };
}
