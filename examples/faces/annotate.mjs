/** Draws what was found onto the image: each face's box with its score, and its key points. */

import { createCanvas } from '@napi-rs/canvas';

import { BOLD } from '../shared/fonts.mjs';
import { putImage, writePng } from '../shared/images.mjs';

const COLOR = '#1fa75a';

/**
 * Writes a PNG and makes its folder where needed. Blocks.
 * @param {import('../shared/sampling.mjs').Pixels} image
 * @param {import('./detector.mjs').Face[]} faces
 * @param {string} file
 */
export function writeAnnotated(image, faces, file) {
  const canvas = createCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  putImage(context, image);
  // Sizes follow the image, so that they are seen on a 12-megapixel photograph too.
  const unit = Math.max(image.width, image.height) / 640;
  context.lineWidth = 2 * unit;
  context.font = `${14 * unit}px "${BOLD}"`;
  context.textBaseline = 'middle';
  for (const { score, box, keypoints } of faces) {
    context.strokeStyle = COLOR;
    context.strokeRect(box.left, box.top, box.width, box.height);
    context.fillStyle = COLOR;
    for (const [x, y] of Object.values(keypoints)) {
      context.beginPath();
      context.arc(x, y, 2.5 * unit, 0, 2 * Math.PI);
      context.fill();
    }
    // Above the box, and inside it where there is no room above.
    const text = `${(100 * score).toFixed(1)} %`;
    const height = 18 * unit;
    const top = box.top >= height ? box.top - height : box.top;
    context.fillRect(box.left, top, context.measureText(text).width + 8 * unit, height);
    context.fillStyle = '#ffffff';
    context.fillText(text, box.left + 4 * unit, top + height / 2);
  }
  writePng(canvas, file);
}
