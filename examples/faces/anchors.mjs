/** The places that a single-shot detector looks from. */

/**
 * The centres of the anchors, x and y in fractions of the input, in the order of the model's outputs: as
 * calculators/tflite/ssd_anchors_calculator.cc of MediaPipe does for anchors of a fixed size, which is the whole input.
 * Each layer is a grid of cells, row by row. Consecutive layers of one stride are one grid whose cells hold the anchors
 * of all of them.
 * @param {Pick<import('./models.mjs').FaceModel, 'side' | 'strides' | 'anchorsPerLayer'>} model
 * @returns {Float32Array}
 */
export function anchorCentres({ side, strides, anchorsPerLayer }) {
  const centres = [];
  for (let layer = 0; layer < strides.length;) {
    const stride = strides[layer];
    let perCell = 0;
    for (; strides[layer] === stride; layer++) perCell += anchorsPerLayer;
    const cells = Math.ceil(side / stride);
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        for (let i = 0; i < perCell; i++) centres.push((column + 0.5) / cells, (row + 0.5) / cells);
      }
    }
  }
  return Float32Array.from(centres);
}
