// The corpus of damaged models: real ones and generated ones, each damaged in many ways, all from seeds.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { IrWriter, randomNumbers } from '../../bench/ir.mjs';
import { writeNearEmpty } from '../../bench/generated-models.mjs';
import { root } from '../../scripts/root.mjs';
import { mutate, possible } from './mutate.mjs';
import { structureOf } from './structure.mjs';

/** A convolution, a pooling and a product: one layer of each kind that readers take trouble with. */
function writeSmallNetwork(file) {
  const ir = new IrWriter(file);
  const random = randomNumbers(7);
  const window = { strides: '1,1', pads_begin: '1,1', pads_end: '1,1', auto_pad: 'explicit' };
  let value = ir.parameter('x', [1, 3, 16, 16]);
  const kernel = ir.constant([8, 3, 3, 3], random);
  value = ir.layer('Convolution', { ...window, dilations: '1,1' }, [value, kernel], [1, 8, 16, 16]);
  value = ir.layer('ReLU', null, [value], value.shape);
  const pool = { strides: '2,2', pads_begin: '0,0', pads_end: '0,0', kernel: '2,2', auto_pad: 'explicit' };
  value = ir.layer('MaxPool', { ...pool, rounding_type: 'floor' }, [value], [1, 8, 8, 8]);
  value = ir.layer('Reshape', { special_zero: 'false' }, [value, ir.integers([1, 512])], [1, 512]);
  const weights = ir.constant([10, 512], random);
  value = ir.layer('MatMul', { transpose_a: 'false', transpose_b: 'true' }, [value, weights], [1, 10]);
  ir.finish(ir.layer('SoftMax', { axis: 1 }, [value], [1, 10], 'y'));
}

function generated(write) {
  return () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-infer-ir-'));
    try {
      write(path.join(folder, 'model'));
      const read = (name) => Uint8Array.from(fs.readFileSync(path.join(folder, name)));
      return { model: read('model.xml'), weights: read('model.bin') };
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  };
}

const require = createRequire(import.meta.url);
const modules = new Map();

/** A module of test/support, which are TypeScript: compiled here, with lib/ as it is built. */
function support(name) {
  const known = modules.get(name);
  if (known !== undefined) return known;
  const { transpileModule, ModuleKind, ScriptTarget } = require('typescript');
  const text = fs.readFileSync(path.join(root, 'test', 'support', `${name}.ts`), 'utf8');
  const compilerOptions = { module: ModuleKind.CommonJS, target: ScriptTarget.ES2022 };
  const { outputText } = transpileModule(text, { compilerOptions });
  const take = (id) => {
    if (id.startsWith('../../lib/')) return require(path.join(root, 'dist', id.slice('../../lib/'.length)));
    return id.startsWith('./') ? support(path.basename(id, '.js')) : require(id);
  };
  const exports = {};
  new Function('require', 'exports', outputText)(take, exports);
  modules.set(name, exports);
  return exports;
}

/** A TFLite model of the tests' own. */
const tflite = (write) => () => ({ model: write(support('tflite-graphs')), weights: null });

const file =
  (...parts) =>
  () => ({ model: Uint8Array.from(fs.readFileSync(path.join(...parts))), weights: null });
const ocr = (name) => file(root, 'node_modules', '@gutenye', 'ocr-models', 'assets', name);
const assets = process.env.EDGE_INFER_ASSETS || null;
/** True where the real models of EDGE_INFER_ASSETS are there. */
export const complete = assets !== null;
const asset = (name) => (assets === null ? null : file(assets, 'models', name));

/** What is damaged, and how many times. Without the assets (`read` null) what they hold is left out. */
export const sources = [
  // One of them ends the process that reads it (small-network-112): OpenVINO 2026.4 crashes where an edge is missing.
  { name: 'small-network', format: 'ir', count: 150, read: generated(writeSmallNetwork) },
  { name: 'near-empty', format: 'ir', count: 50, read: generated(writeNearEmpty) },
  { name: 'ocr-classifier', format: 'onnx', count: 160, read: ocr('ch_ppocr_mobile_v2.0_cls_infer.onnx') },
  { name: 'ocr-detector', format: 'onnx', count: 20, read: ocr('ch_PP-OCRv4_det_infer.onnx') },
  { name: 'fastest-det', format: 'onnx', count: 60, read: asset('FastestDet.onnx') },
  { name: 'rfb-320', format: 'onnx', count: 40, read: asset('version-RFB-320.onnx') },
  { name: 'products', format: 'tflite', count: 150, read: tflite((graphs) => graphs.slowTflite(2, 8)) },
  { name: 'non-zero', format: 'tflite', count: 100, read: tflite((graphs) => graphs.nonZeroTflite(8)) },
  { name: 'identity', format: 'tflite', count: 60, read: tflite((graphs) => graphs.identityTflite('i32', [-1, 2])) },
  { name: 'mobilenet-v1', format: 'tflite', count: 150, read: asset('mobilenet_v1_0.25_128_quant.tflite') },
  { name: 'deeplab-v3', format: 'tflite', count: 60, read: asset('deeplabv3_mnv2_dm05_pascal_quant.tflite') },
];

/** Every model: {id, source, format, index}; index -1 is the whole one, which has to run, or damage would prove nothing. */
export function corpus() {
  return sources
    .filter(({ read }) => read !== null)
    .flatMap(({ name, format, count }) =>
      Array.from({ length: count + 1 }, (_, i) => i - 1).map((index) => {
        return { id: `${name}-${index < 0 ? 'whole' : index}`, source: name, format, index };
      }),
    );
}

const opened = new Map();

/** A source with its structure; read once. */
function open(name) {
  const known = opened.get(name);
  if (known !== undefined) return known;
  const { format, read } = sources.find((one) => one.name === name);
  const { model, weights } = read();
  const source = { format, bytes: model, structure: structureOf(format, model), weights };
  opened.set(name, source);
  return source;
}

/** The bytes of one damaged model: {mutation, model, weights}; `weights` is null but for IR. */
export function damaged({ source, index }) {
  const whole = open(source);
  if (index < 0) return { mutation: 'none', model: whole.bytes, weights: whole.weights };
  const seed = [...source].reduce((sum, letter) => (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0, index * 7919);
  // IR in two files: every fifth time it is the weights that are damaged, or missing.
  if (whole.weights !== null && index % 5 === 4) {
    const { weights } = whole;
    const plain = {
      format: 'ir',
      bytes: weights,
      structure: { ranges: [[0, weights.length]], lengths: [], sections: [] },
    };
    if (index % 25 === 4) return { mutation: 'no weights', model: whole.bytes, weights: null };
    const names = ['truncate', 'flip bits', 'randomise a range', 'remove a range'];
    const mutation = names[Math.floor(index / 5) % names.length];
    return { mutation: `weights: ${mutation}`, model: whole.bytes, weights: mutate(plain, mutation, seed) };
  }
  const names = possible(whole);
  const mutation = names[index % names.length];
  return { mutation, model: mutate(whole, mutation, seed), weights: whole.weights };
}

const suffixes = { onnx: 'onnx', tflite: 'tflite', ir: 'xml' };

/** Writes one damaged model into a folder and returns its path. */
export function writeDamaged(one, folder) {
  const { model, weights } = damaged(one);
  const name = path.join(folder, one.id);
  fs.writeFileSync(`${name}.${suffixes[one.format]}`, model);
  if (weights !== null) fs.writeFileSync(`${name}.bin`, weights);
  return `${name}.${suffixes[one.format]}`;
}
