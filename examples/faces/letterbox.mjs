/** A whole image in a square input: its aspect ratio kept, in the middle, black above and below or left and right. */

import { channelsLast, sampleInto } from '../shared/sampling.mjs';

// Red, green, blue; −1 to 1.
const NORMALIZATION = { order: [0, 1, 2], scale: [2 / 255, 2 / 255, 2 / 255], bias: [-1, -1, -1] };
const BLACK = -1;

/**
 * Where an image lies in the square, in image pixels: the square's left and top edge, and its side.
 * @typedef {{ left: number, top: number, size: number }} Placement
 */

/**
 * @param {{ width: number, height: number }} image
 * @returns {Placement}
 */
export function placement({ width, height }) {
  const size = Math.max(width, height);
  return { left: (width - size) / 2, top: (height - size) / 2, size };
}

/**
 * Fills the input: `side` × `side` pixels, channels last.
 * @param {import('../shared/sampling.mjs').Pixels} image
 * @param {Float32Array} target the input buffer: a request's own memory, so that nothing is copied afterwards
 * @param {number} side
 */
export function letterboxInto(image, target, side) {
  const { left, top, size } = placement(image);
  const step = size / side;
  // The samples whose centres lie in the image. The others keep their place: what is seen is neither moved nor stretched.
  const first = (edge) => Math.max(0, Math.ceil(-edge / step - 0.5));
  const end = (edge, length) => Math.min(side, Math.ceil((length - edge) / step - 0.5));
  const [x, y] = [first(left), first(top)];
  const [width, height] = [end(left, image.width) - x, end(top, image.height) - y];
  if (width < side || height < side) target.fill(BLACK);
  const strides = channelsLast(side);
  const grid = { origin: [left + x * step, top + y * step], right: [step, 0], down: [0, step] };
  const from = target.subarray(y * strides.row + x * strides.column);
  sampleInto(image, grid, NORMALIZATION, from, { width, height, strides });
}
