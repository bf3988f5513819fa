/** Text detection with PP-OCRv4: an image becomes the model's input, and the model's probability map becomes boxes. */

import { convexHull, inReadingOrder, minimumAreaRectangle } from './geometry.mjs';
import { channelsFirst, sampleInto } from '../shared/sampling.mjs';

/** The network halves its resolution five times, so sides are multiples of 32. */
const STRIDE = 32;

// The weights were trained on images as OpenCV reads them, blue first, normalised with ImageNet's constants in their
// usual order, red first. Red, green, blue finds the same lines with a slightly lower score.
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];
const NORMALIZATION = {
  order: [2, 1, 0],
  scale: DEVIATION.map((deviation) => 1 / (255 * deviation)),
  bias: DEVIATION.map((deviation, channel) => -MEAN[channel] / deviation),
};

/**
 * The input shape (NCHW) for images of this size: the longer side reduced to `longSide` if it is longer, both padded
 * up to a multiple of 32.
 * @param {{ width: number, height: number }} image
 * @param {number} [longSide]
 * @returns {[number, number, number, number]}
 */
export function detectionShape({ width, height }, longSide = 960) {
  const scale = Math.min(1, longSide / Math.max(width, height));
  const padded = (side) => Math.max(STRIDE, Math.ceil(Math.round(side * scale) / STRIDE) * STRIDE);
  return [1, 3, padded(height), padded(width)];
}

/**
 * Writes the image, reduced to fit, into the top left of the model's input; what is left over becomes mid-grey (0).
 * The aspect ratio is kept exactly, so that a rectangle in the map is a rectangle in the image.
 * @param {import('../shared/sampling.mjs').Pixels} image
 * @param {Float32Array} target the input buffer: a request's own memory, so that nothing is copied afterwards
 * @param {readonly number[]} shape as `detectionShape` gives it
 * @returns {number} input pixels per image pixel, which `findBoxes` needs
 */
export function preprocess(image, target, shape) {
  const [, , planeHeight, planeWidth] = shape;
  const scale = Math.min(1, planeWidth / image.width, planeHeight / image.height);
  const width = Math.min(planeWidth, Math.round(image.width * scale));
  const height = Math.min(planeHeight, Math.round(image.height * scale));
  if (width < planeWidth || height < planeHeight) target.fill(0);
  const grid = { origin: [0, 0], right: [1 / scale, 0], down: [0, 1 / scale] };
  sampleInto(image, grid, NORMALIZATION, target, { width, height, strides: channelsFirst(planeHeight, planeWidth) });
  return scale;
}

/**
 * A line of text: a rotated rectangle in image pixels and the mean probability inside it.
 * @typedef {import('./geometry.mjs').Rectangle & { score: number }} Box
 */

/**
 * Finds the lines of text in a probability map, as in "Real-time Scene Text Detection with Differentiable Binarization"
 * (Liao et al., 2020): the network marks a shrunken core of each line, which is bounded by a rotated rectangle, scored
 * and grown back.
 * @param {Float32Array} probabilities `height` × `width`
 * @param {{ width: number, height: number, scale?: number, threshold?: number, minimumScore?: number, growth?: number,
 *   minimumSide?: number }} options `scale`: map pixels per image pixel; `growth`: the paper's unclip ratio;
 *   `minimumSide`: in map pixels, before growing
 * @returns {Box[]} in reading order
 */
export function findBoxes(
  probabilities,
  { width, height, scale = 1, threshold = 0.3, minimumScore = 0.6, growth = 1.6, minimumSide = 3 },
) {
  const boxes = [];
  for (const component of components(probabilities, width, height, threshold)) {
    const core = minimumAreaRectangle(convexHull(component));
    // The points are pixel centres; the pixels themselves reach half a pixel further on each side.
    core.width += 1;
    core.height += 1;
    if (Math.min(core.width, core.height) < minimumSide) continue;
    const score = meanInside(probabilities, width, height, core);
    if (score < minimumScore) continue;
    const offset = (core.width * core.height * growth) / (2 * (core.width + core.height));
    boxes.push({
      x: core.x / scale,
      y: core.y / scale,
      width: (core.width + 2 * offset) / scale,
      height: (core.height + 2 * offset) / scale,
      angle: core.angle,
      score,
    });
  }
  return inReadingOrder(boxes);
}

/**
 * Groups of touching pixels (corners count) above the threshold. Of each group, the centres of the first and last pixel
 * of every row, from top to bottom: no other pixel can be a corner of its convex hull.
 * @returns {[number, number][][]}
 */
function components(probabilities, width, height, threshold) {
  const seen = new Uint8Array(width * height);
  const stack = new Int32Array(width * height);
  const first = new Int32Array(height);
  const last = new Int32Array(height);
  const found = [];
  for (let start = 0; start < seen.length; start++) {
    if (seen[start] || !(probabilities[start] > threshold)) continue;
    // The scan reaches a group at its top row; only rows of this group are reset and read.
    const top = (start / width) | 0;
    let bottom = top - 1;
    let waiting = 0;
    seen[start] = 1;
    stack[waiting++] = start;
    while (waiting > 0) {
      const pixel = stack[--waiting];
      const y = (pixel / width) | 0;
      const x = pixel - y * width;
      while (bottom < y) {
        bottom++;
        first[bottom] = width;
        last[bottom] = -1;
      }
      if (x < first[y]) first[y] = x;
      if (x > last[y]) last[y] = x;
      const right = Math.min(width - 1, x + 1);
      const below = Math.min(height - 1, y + 1);
      for (let ny = Math.max(0, y - 1); ny <= below; ny++) {
        for (let neighbour = ny * width + Math.max(0, x - 1); neighbour <= ny * width + right; neighbour++) {
          if (seen[neighbour] || !(probabilities[neighbour] > threshold)) continue;
          seen[neighbour] = 1;
          stack[waiting++] = neighbour;
        }
      }
    }
    const points = [];
    for (let y = top; y <= bottom; y++) {
      points.push([first[y] + 0.5, y + 0.5]);
      if (last[y] > first[y]) points.push([last[y] + 0.5, y + 0.5]);
    }
    found.push(points);
  }
  return found;
}

/** The mean of the map's values whose pixels' centres lie inside the rectangle. */
function meanInside(probabilities, mapWidth, mapHeight, { x, y, width, height, angle }) {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const reachX = (width * Math.abs(cos) + height * Math.abs(sin)) / 2;
  const reachY = (width * Math.abs(sin) + height * Math.abs(cos)) / 2;
  const bottom = Math.min(mapHeight - 1, Math.floor(y + reachY));
  const right = Math.min(mapWidth - 1, Math.floor(x + reachX));
  let sum = 0;
  let count = 0;
  for (let py = Math.max(0, Math.floor(y - reachY)); py <= bottom; py++) {
    for (let px = Math.max(0, Math.floor(x - reachX)); px <= right; px++) {
      const dx = px + 0.5 - x;
      const dy = py + 0.5 - y;
      if (Math.abs(dx * cos + dy * sin) > width / 2 || Math.abs(dy * cos - dx * sin) > height / 2) continue;
      sum += probabilities[py * mapWidth + px];
      count++;
    }
  }
  return count > 0 ? sum / count : 0;
}
