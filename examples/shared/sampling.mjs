/** Takes an upright or rotated rectangle out of an RGBA image and writes it, resampled and normalised, as floats. */

/**
 * An image as `canvas.getImageData()` gives it: rows of R, G, B, A bytes.
 * @typedef {{ data: Uint8ClampedArray, width: number, height: number }} Pixels
 *
 * How a byte becomes a float: `value * scale[c] + bias[c]`, where `order[c]` is the byte of the pixel that channel `c` takes.
 * @typedef {{ order: number[], scale: number[], bias: number[] }} Normalization
 *
 * Where the samples lie: the image point under the outer corner of sample (0, 0), and the way from one sample to the next
 * along a row and along a column, in image pixels.
 * @typedef {{ origin: [number, number], right: [number, number], down: [number, number] }} Grid
 *
 * Where a sample's floats go: how far apart neighbours in a row, in a column, and a sample's channels are.
 * @typedef {{ column: number, row: number, channel: number }} Strides
 */

/**
 * The strides of a tensor with its channels first (NCHW).
 * @returns {Strides}
 */
export function channelsFirst(height, width) {
  return { column: 1, row: width, channel: height * width };
}

/**
 * The strides of a tensor of three channels, which come last (NHWC).
 * @returns {Strides}
 */
export function channelsLast(width) {
  return { column: 3, row: 3 * width, channel: 1 };
}

/**
 * Fills `width` × `height` samples of `target`, from its first float on; the rest stays as it is.
 * Points outside the image take the nearest border pixel.
 * Enlarging and mild reduction interpolate between four pixels; strong reduction averages the pixels under each sample,
 * because interpolation alone would skip pixels and lose thin strokes.
 *
 * @param {Pixels} image
 * @param {Grid} grid
 * @param {Normalization} normalization
 * @param {Float32Array} target
 * @param {{ width: number, height: number, strides: Strides }} size
 */
export function sampleInto(image, grid, normalization, target, size) {
  const reduction = Math.max(Math.hypot(...grid.right), Math.hypot(...grid.down));
  if (reduction < 1.75) {
    interpolateInto(image, grid, normalization, target, size);
  } else {
    averageInto(image, grid, normalization, target, size, Math.round(reduction));
  }
}

function interpolateInto(image, grid, { order, scale, bias }, target, size) {
  const { data, width, height } = image;
  const { origin, right, down } = grid;
  const { column: next, channel } = size.strides;
  const [o0, o1, o2] = order;
  const [s0, s1, s2] = scale;
  const [b0, b1, b2] = bias;
  const lastX = width - 1;
  const lastY = height - 1;
  for (let row = 0; row < size.height; row++) {
    // A sample stands for the middle of its cell, a pixel's value for the middle of the pixel.
    let x = origin[0] + 0.5 * right[0] + (row + 0.5) * down[0] - 0.5;
    let y = origin[1] + 0.5 * right[1] + (row + 0.5) * down[1] - 0.5;
    let at = row * size.strides.row;
    for (let column = 0; column < size.width; column++, at += next) {
      const cx = x < 0 ? 0 : x > lastX ? lastX : x;
      const cy = y < 0 ? 0 : y > lastY ? lastY : y;
      const x0 = cx | 0;
      const y0 = cy | 0;
      const fx = cx - x0;
      const fy = cy - y0;
      const p00 = (y0 * width + x0) * 4;
      const p01 = x0 < lastX ? p00 + 4 : p00;
      const toNext = y0 < lastY ? width * 4 : 0;
      const p10 = p00 + toNext;
      const p11 = p01 + toNext;
      const w00 = (1 - fx) * (1 - fy);
      const w01 = fx * (1 - fy);
      const w10 = (1 - fx) * fy;
      const w11 = fx * fy;
      target[at] =
        (data[p00 + o0] * w00 + data[p01 + o0] * w01 + data[p10 + o0] * w10 + data[p11 + o0] * w11) * s0 + b0;
      target[at + channel] =
        (data[p00 + o1] * w00 + data[p01 + o1] * w01 + data[p10 + o1] * w10 + data[p11 + o1] * w11) * s1 + b1;
      target[at + 2 * channel] =
        (data[p00 + o2] * w00 + data[p01 + o2] * w01 + data[p10 + o2] * w10 + data[p11 + o2] * w11) * s2 + b2;
      x += right[0];
      y += right[1];
    }
  }
}

/** Averages `taps` × `taps` evenly spread pixels of each sample's cell. */
function averageInto(image, grid, { order, scale, bias }, target, size, taps) {
  const { data, width, height } = image;
  const { origin, right, down } = grid;
  const { column: next, channel } = size.strides;
  const [o0, o1, o2] = order;
  const lastX = width - 1;
  const lastY = height - 1;
  const share = 1 / (taps * taps);
  const [s0, s1, s2] = scale.map((value) => value * share);
  const [b0, b1, b2] = bias;
  const tapRight = [right[0] / taps, right[1] / taps];
  const tapDown = [down[0] / taps, down[1] / taps];
  for (let row = 0; row < size.height; row++) {
    let at = row * size.strides.row;
    for (let column = 0; column < size.width; column++, at += next) {
      const cornerX = origin[0] + column * right[0] + row * down[0] + 0.5 * (tapRight[0] + tapDown[0]);
      const cornerY = origin[1] + column * right[1] + row * down[1] + 0.5 * (tapRight[1] + tapDown[1]);
      let sum0 = 0;
      let sum1 = 0;
      let sum2 = 0;
      for (let v = 0; v < taps; v++) {
        let x = cornerX + v * tapDown[0];
        let y = cornerY + v * tapDown[1];
        for (let u = 0; u < taps; u++) {
          const cx = x < 0 ? 0 : x > lastX ? lastX : x | 0;
          const cy = y < 0 ? 0 : y > lastY ? lastY : y | 0;
          const pixel = (cy * width + cx) * 4;
          sum0 += data[pixel + o0];
          sum1 += data[pixel + o1];
          sum2 += data[pixel + o2];
          x += tapRight[0];
          y += tapRight[1];
        }
      }
      target[at] = sum0 * s0 + b0;
      target[at + channel] = sum1 * s1 + b1;
      target[at + 2 * channel] = sum2 * s2 + b2;
    }
  }
}
