/** The whole detection on one image, with one request whose buffers are written and read in place. */

import { performance } from 'node:perf_hooks';

import { anchorCentres } from './anchors.mjs';
import { decode, KEYPOINTS, merge } from './faces.mjs';
import { letterboxInto, placement } from './letterbox.mjs';

/**
 * In image pixels. Boxes may reach over the image's edge.
 * @typedef {object} Face
 * @property {number} score 0 to 1
 * @property {{ left: number, top: number, width: number, height: number }} box
 * @property {Record<string, [number, number]>} keypoints
 */

export class FaceDetector {
  /**
   * @param {object} model loaded from `options.file`
   * @param {import('./models.mjs').FaceModel} options
   */
  constructor(model, options) {
    this.options = options;
    this.request = model.createRequest();
    this.centres = anchorCentres(options);
    // The files name their tensors differently.
    this.input = model.inputs[0].name;
    this.scores = model.outputs.find(({ shape }) => shape[2] === 1).name;
    this.values = model.outputs.find(({ shape }) => shape[2] !== 1).name;
  }

  /**
   * @param {import('../shared/sampling.mjs').Pixels} image of any size
   * @returns {Promise<{ faces: Face[], stagesMs: { preprocess: number, detect: number, postprocess: number, total: number } }>}
   */
  async detect(image) {
    const { inputs, outputs } = this.request;
    const start = performance.now();
    letterboxInto(image, inputs[this.input].data, this.options.side);
    const preprocessed = performance.now();
    await this.request.run();
    const detected = performance.now();
    const candidates = decode(outputs[this.values].data, outputs[this.scores].data, this.centres, this.options);
    const faces = merge(candidates).map((candidate) => inImage(candidate, placement(image)));
    const end = performance.now();
    return {
      faces,
      stagesMs: {
        preprocess: preprocessed - start,
        detect: detected - preprocessed,
        postprocess: end - detected,
        total: end - start,
      },
    };
  }

  dispose() {
    this.request.dispose();
  }
}

/** @returns {Face} */
function inImage({ score, places }, { left, top, size }) {
  const points = [];
  for (let k = 0; k < places.length; k += 2) points.push([left + places[k] * size, top + places[k + 1] * size]);
  const [[x0, y0], [x1, y1], ...keypoints] = points;
  return {
    score,
    box: { left: x0, top: y0, width: x1 - x0, height: y1 - y0 },
    keypoints: Object.fromEntries(KEYPOINTS.map((name, i) => [name, keypoints[i]])),
  };
}
