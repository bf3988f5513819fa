/** The real models and photographs in the folder that EDGE_INFER_ASSETS names: what each takes, and skips without it. */
import fs from 'node:fs';
import path from 'node:path';
import { photograph, type Layout } from './photographs.js';

const assets = process.env['EDGE_INFER_ASSETS'];
export const hasAssets = assets !== undefined && assets !== '';
export const describeAssets = hasAssets ? describe : describe.skip;

export interface RealModel {
  readonly file: string;
  readonly input: string;
  readonly shape: readonly number[];
  readonly layout: Layout;
}

// What each model takes: the table in the assets' README.
export const mobilenet: RealModel = {
  file: 'mobilenet_v2_imagenet_fp32.onnx',
  input: 'input',
  shape: [1, 224, 224, 3],
  layout: { width: 224, height: 224, last: true, bgr: false, mean: 128, scale: 128 },
};
/** For full-integer models: bytes as they are, channels last. */
export function byteLayout(side: number): Layout {
  return { width: side, height: side, last: true, bgr: false, mean: 0, scale: 1 };
}
/** The full-integer twin of `mobilenet`. */
export const mobilenetInt8: RealModel = {
  file: 'mobilenet_v2_1.0_224_quant.tflite',
  input: 'input',
  shape: [1, 224, 224, 3],
  layout: byteLayout(224),
};
export const smallMobilenetInt8: RealModel = {
  file: 'mobilenet_v1_0.25_128_quant.tflite',
  input: 'input',
  shape: [1, 128, 128, 3],
  layout: byteLayout(128),
};
export const deeplab: RealModel = {
  file: 'deeplabv3_mnv2_dm05_pascal_quant.tflite',
  input: 'MobilenetV2/MobilenetV2/input',
  shape: [1, 513, 513, 3],
  layout: byteLayout(513),
};
export const fastestDet: RealModel = {
  file: 'FastestDet.onnx',
  input: 'input.1',
  shape: [1, 3, 352, 352],
  layout: { width: 352, height: 352, last: false, bgr: true, mean: 0, scale: 255 },
};
export const faces: RealModel = {
  file: 'version-RFB-320.onnx',
  input: 'input',
  shape: [1, 3, 240, 320],
  layout: { width: 320, height: 240, last: false, bgr: false, mean: 127, scale: 128 },
};
export const photographs = ['bird_segmentation.bmp', 'cat_720p.jpg', 'face.jpg', 'grace_hopper.bmp', 'hot_dog.jpg'];

export function asset(...parts: string[]): string {
  return path.join(assets ?? '', ...parts);
}

export function modelFile({ file }: RealModel): string {
  return asset('models', file);
}

export function pixels(name: string, model: RealModel): Promise<Float32Array> {
  return photograph(asset('images', name), model.layout);
}

/** The names of ImageNet's classes, the background first. */
export function imagenetLabels(): string[] {
  return fs
    .readFileSync(asset('labels', 'imagenet_labels.txt'), 'utf8')
    .split('\n')
    .map((label) => label.trim());
}
