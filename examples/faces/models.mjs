/** MediaPipe's face detectors in the npm package `@mediapipe/face_detection`: their files, and how their outputs are meant. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const folder = dirname(createRequire(import.meta.url).resolve('@mediapipe/face_detection/package.json'));

/**
 * @typedef {object} FaceModel
 * @property {string} file
 * @property {number} side of the square input, in pixels
 * @property {number[]} strides of the layers of anchors, in input pixels
 * @property {number} anchorsPerLayer at each place
 * @property {number} minimumScore below it, a face is not believed
 */

// Strides, scales and thresholds are those of MediaPipe's graphs, modules/face_detection/face_detection_short_range.pbtxt
// and face_detection_full_range.pbtxt. There, a second anchor a layer is written as `interpolated_scale_aspect_ratio: 1`.
const fullRange = { side: 192, strides: [4], anchorsPerLayer: 1, minimumScore: 0.6 };

/** @type {Record<string, FaceModel>} */
export const MODELS = {
  /** For faces within two metres. */
  short: {
    file: join(folder, 'face_detection_short_range.tflite'),
    side: 128,
    strides: [8, 16, 16, 16],
    anchorsPerLayer: 2,
    minimumScore: 0.5,
  },
  /** For faces within five metres. */
  full: { file: join(folder, 'face_detection_full_range.tflite'), ...fullRange },
  /** As `full`, with most weights zero and left out of the file. */
  sparse: { file: join(folder, 'face_detection_full_range_sparse.tflite'), ...fullRange },
};
