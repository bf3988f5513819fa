// DEVICE[:PRECISION]: which words are which.
import { UsageError } from '../../lib/cli/args.js';
import { parseSide } from '../../lib/cli/side.js';

test.each([
  ['cpu', 'cpu', undefined],
  ['cpu:f32', 'cpu', 'f32'],
  ['openvino:cpu', 'openvino:cpu', undefined],
  ['openvino:cpu:bf16', 'openvino:cpu', 'bf16'],
  ['openvino:gpu.1:FP16', 'openvino:gpu.1', 'f16'],
  ['openvino:hetero:gpu,cpu:f16', 'openvino:hetero:gpu,cpu', 'f16'],
  ['tensorrt:0:dla1', 'tensorrt:0:dla1', undefined],
  ['auto', 'auto', undefined],
  ['auto:auto', 'auto', 'auto'],
  ['cpu:auto', 'cpu', 'auto'],
  ['openvino:auto', 'openvino:auto', undefined], // OpenVINO's device of that name
  ['openvino:auto:auto', 'openvino:auto', 'auto'],
  ['openvino:cpu:auto', 'openvino:cpu', 'auto'],
])('%s', (text, device, precision) => {
  expect(parseSide('a', text)).toEqual({ device, precision });
});

test.each([
  ['f32', /names no device/],
  ['int8', /names no device/],
  ['cpu:int8', /quantised model is another file/],
  ['openvino:cpu:fp8', /the precisions are f32, f16, bf16 and auto/],
  ['cpu:', /^Expected --b to be DEVICE/],
  [':f32', /^Expected --b/],
  ['openvino::cpu', /^Expected --b/],
])('%s is refused', (text, message) => {
  expect(() => parseSide('b', text)).toThrow(UsageError);
  expect(() => parseSide('b', text)).toThrow(message);
});
