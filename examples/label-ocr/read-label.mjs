/** The whole reading of one image: detection, then recognition box by box, with the time that each stage took. */

import { performance } from 'node:perf_hooks';

import { detectionShape, findBoxes, preprocess as preprocessForDetection } from './detect.mjs';
import { decode, preprocess as preprocessForRecognition, recognitionShape } from './recognize.mjs';

/** Text below this confidence is taken for a stain that looks like text. */
const MINIMUM_CONFIDENCE = 0.5;

/**
 * @typedef {{ text: string, confidence: number, box: import('./detect.mjs').Box, ms: number }} Line
 * `ms`: cropping, inference and decoding of this line
 */

/** Holds one request per model, whose buffers are used again for every image and every line. */
export class LabelReader {
  /**
   * @param {object} detector loaded with `detectionShape(image)` as its fixed input shape
   * @param {object} recognizer loaded with a dynamic width
   * @param {string[]} characters
   */
  constructor(detector, recognizer, characters) {
    this.detector = detector;
    this.recognizer = recognizer;
    this.characters = characters;
    this.detection = detector.createRequest();
    /** Made with the first line, whose shape it needs. */
    this.recognition = null;
  }

  /**
   * Reads an image of the size that the detector was loaded for.
   * @param {import('../shared/sampling.mjs').Pixels} image
   * @returns {Promise<{ lines: Line[], stagesMs: { preprocess: number, detect: number, postprocess: number, recognize: number, total: number } }>}
   */
  async read(image) {
    const input = this.detector.inputs[0].name;
    const output = this.detector.outputs[0].name;
    const shape = detectionShape(image);
    const start = performance.now();
    const scale = preprocessForDetection(image, this.detection.inputs[input].data, shape);
    const preprocessed = performance.now();
    await this.detection.run();
    const detected = performance.now();
    const boxes = findBoxes(this.detection.outputs[output].data, { width: shape[3], height: shape[2], scale });
    const postprocessed = performance.now();
    const lines = [];
    for (const box of boxes) {
      const line = await this.readLine(image, box);
      if (line.confidence >= MINIMUM_CONFIDENCE) lines.push(line);
    }
    const end = performance.now();
    return {
      lines,
      stagesMs: {
        preprocess: preprocessed - start,
        detect: detected - preprocessed,
        postprocess: postprocessed - detected,
        recognize: end - postprocessed,
        total: end - start,
      },
    };
  }

  /** @returns {Promise<Line>} */
  async readLine(image, box) {
    const start = performance.now();
    const input = this.recognizer.inputs[0].name;
    const output = this.recognizer.outputs[0].name;
    const shape = recognitionShape(box);
    if (this.recognition === null) {
      this.recognition = this.recognizer.createRequest({ shapes: { [input]: shape } });
    } else if (this.recognition.inputs[input].shape[3] !== shape[3]) {
      this.recognition.reshape({ [input]: shape });
    }
    // Looked up after the reshape: a view of the former shape would be detached.
    preprocessForRecognition(image, box, this.recognition.inputs[input].data, shape);
    await this.recognition.run();
    const { text, confidence } = decode(this.recognition.outputs[output].data, this.characters);
    return { text, confidence, box, ms: performance.now() - start };
  }

  dispose() {
    this.detection.dispose();
    this.recognition?.dispose();
  }
}
