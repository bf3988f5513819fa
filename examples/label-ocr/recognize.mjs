/** Text recognition with PP-OCRv4: a box of an image becomes the model's input, and the model's output becomes a string. */

import { readFileSync } from 'node:fs';

import { corners, standsOnEnd } from './geometry.mjs';
import { channelsFirst, sampleInto } from '../shared/sampling.mjs';

/** The height of a line of text that the network was trained with. */
const LINE_HEIGHT = 48;

/** Widths are rounded up to a multiple of this: few different shapes, so the device rarely sees a new one. */
const WIDTH_STEP = 64;

/** Longer lines are squeezed. */
const MAXIMUM_WIDTH = 1600;

// Blue, green, red, as in detection; −1 to 1.
const NORMALIZATION = { order: [2, 1, 0], scale: [2 / 255, 2 / 255, 2 / 255], bias: [-1, -1, -1] };

/**
 * Reads the list of characters, one per line; the network's classes are "nothing", these in order, and the space.
 * @param {string} file
 * @returns {string[]} class 0 ("nothing") is the empty string
 */
export function readCharacters(file) {
  return ['', ...readFileSync(file, 'utf8').replace(/\n$/, '').split('\n'), ' '];
}

/**
 * The input shape (NCHW) for a box.
 * @param {import('./geometry.mjs').Rectangle} box
 * @returns {[number, number, number, number]}
 */
export function recognitionShape(box) {
  return [1, 3, LINE_HEIGHT, Math.min(MAXIMUM_WIDTH, Math.ceil(lineWidth(box) / WIDTH_STEP) * WIDTH_STEP)];
}

/**
 * Straightens the box's text into the model's input; what is left over to the right becomes mid-grey (0).
 * @param {import('../shared/sampling.mjs').Pixels} image
 * @param {import('./geometry.mjs').Rectangle} box
 * @param {Float32Array} target the input buffer: a request's own memory, so that nothing is copied afterwards
 * @param {readonly number[]} shape as `recognitionShape` gives it
 */
export function preprocess(image, box, target, shape) {
  const [, , planeHeight, planeWidth] = shape;
  const width = Math.min(planeWidth, lineWidth(box));
  const [topLeft, topRight, bottomRight, bottomLeft] = corners(box);
  // Text that stands on end is taken to read downwards, its first letter at the top.
  const [start, end, below] = standsOnEnd(box) ? [topRight, bottomRight, topLeft] : [topLeft, topRight, bottomLeft];
  const grid = {
    origin: start,
    right: [(end[0] - start[0]) / width, (end[1] - start[1]) / width],
    down: [(below[0] - start[0]) / LINE_HEIGHT, (below[1] - start[1]) / LINE_HEIGHT],
  };
  if (width < planeWidth) target.fill(0);
  sampleInto(image, grid, NORMALIZATION, target, {
    width,
    height: LINE_HEIGHT,
    strides: channelsFirst(planeHeight, planeWidth),
  });
}

/**
 * Greedy decoding of connectionist temporal classification (Graves et al., 2006): the best class of each step, repeats
 * merged, "nothing" left out.
 * @param {Float32Array} probabilities steps × classes
 * @param {string[]} characters as `readCharacters` gives them
 * @returns {{ text: string, confidence: number }} `confidence`: mean probability of the characters kept, 0 if there are none
 */
export function decode(probabilities, characters) {
  const classes = characters.length;
  if (probabilities.length % classes !== 0) {
    throw new Error(
      `Expected a multiple of ${classes} probabilities, got ${probabilities.length}: not this model's character list.`,
    );
  }
  let text = '';
  let sum = 0;
  let kept = 0;
  let previous = 0;
  for (let offset = 0; offset < probabilities.length; offset += classes) {
    let best = 0;
    let highest = probabilities[offset];
    for (let i = 1; i < classes; i++) {
      const probability = probabilities[offset + i];
      if (probability > highest) {
        highest = probability;
        best = i;
      }
    }
    if (best !== 0 && best !== previous) {
      text += characters[best];
      sum += highest;
      kept++;
    }
    previous = best;
  }
  return { text: text.trim(), confidence: kept > 0 ? sum / kept : 0 };
}

/** The width of the box's text once it is `LINE_HEIGHT` high. */
function lineWidth(box) {
  const [along, across] = standsOnEnd(box) ? [box.height, box.width] : [box.width, box.height];
  return Math.max(1, Math.round((LINE_HEIGHT * along) / across));
}
