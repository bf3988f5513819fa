// What is measured on a GPU: models that are made here, in ONNX, and MobileNetV2 where the assets are.
import { createRequire } from 'node:module';
import path from 'node:path';
import fs from 'node:fs';
import { root } from '../../scripts/root.mjs';

const { onnx } = createRequire(path.join(root, 'package.json'))('onnx-proto');
const { AttributeType } = onnx.AttributeProto;

const port = (name, shape) => ({
  name,
  type: { tensorType: { elemType: 1, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
});
const constant = (name, dims, values) => ({
  name,
  dims,
  dataType: 1,
  rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
});
const ints = (name, values) => ({ name, ints: values, type: AttributeType.INTS });

function model(input, output, nodes, constants) {
  const graph = { name: 'bench', input: [input], output: [output], node: nodes, initializer: constants };
  const proto = onnx.ModelProto.create({ irVersion: 7, opsetImport: [{ domain: '', version: 13 }], graph });
  return Uint8Array.from(onnx.ModelProto.encode(proto).finish());
}

function nearEmpty() {
  const node = { opType: 'Add', input: ['x', 'one'], output: ['y'] };
  return model(port('x', [1, 1024]), port('y', [1, 1024]), [node], [constant('one', [1], Float32Array.of(1))]);
}

/** Four convolutions over a picture of 224 × 224, and a mean. */
function convolutions() {
  const sizes = [3, 32, 64, 128, 128];
  let state = 1;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  const nodes = [];
  const constants = [];
  let value = 'x';
  for (let i = 0; i + 1 < sizes.length; i++) {
    const [from, to] = [sizes[i], sizes[i + 1]];
    const weights = Float32Array.from({ length: to * from * 9 }, () => next() / Math.sqrt(from));
    constants.push(constant(`w${i}`, [to, from, 3, 3], weights));
    const attribute = [ints('pads', [1, 1, 1, 1]), ints('kernel_shape', [3, 3]), ints('strides', [2, 2])];
    nodes.push({ opType: 'Conv', input: [value, `w${i}`], output: [`c${i}`], attribute });
    nodes.push({ opType: 'Relu', input: [`c${i}`], output: [`r${i}`] });
    value = `r${i}`;
  }
  nodes.push({ opType: 'GlobalAveragePool', input: [value], output: ['y'] });
  return model(port('x', [1, 3, 224, 224]), port('y', [1, 128, 1, 1]), nodes, constants);
}

/** `{ name, about, onnx }` of each; the simulated GPU computes only the first. */
export function gpuModels(simulated) {
  const models = [{ name: 'near-empty', about: 'one addition of 1024 values', onnx: nearEmpty() }];
  if (simulated) return models;
  models.push({ name: 'convolutions', about: 'four 3×3 convolutions over 224×224', onnx: convolutions() });
  const file = path.join(process.env.EDGE_INFER_ASSETS ?? '', 'models', 'mobilenet_v2_imagenet_fp32.onnx');
  if (process.env.EDGE_INFER_ASSETS && fs.existsSync(file)) {
    models.push({
      name: 'mobilenet-v2',
      about: 'MobileNetV2 1.0, real weights',
      onnx: new Uint8Array(fs.readFileSync(file)),
    });
  }
  return models;
}
