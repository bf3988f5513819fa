/** Draws what was read onto the image: each box with its number, and beside the image the list of texts. */

import { createCanvas } from '@napi-rs/canvas';

import { BOLD, REGULAR } from '../shared/fonts.mjs';
import { putImage, writePng } from '../shared/images.mjs';
import { corners } from './geometry.mjs';

const SURE = '#1fa75a';
const UNSURE = '#e07a1f';

/**
 * Writes a PNG and makes its folder where needed. Blocks.
 * @param {import('../shared/sampling.mjs').Pixels} image
 * @param {{ text: string, confidence: number, box: import('./geometry.mjs').Rectangle }[]} lines
 * @param {string} file
 */
export function writeAnnotated(image, lines, file) {
  // Sizes follow the image, so that a 12-megapixel photograph gets legible numbers too.
  const unit = Math.max(image.width, image.height) / 1280;
  const rowHeight = Math.min(34 * unit, image.height / (lines.length + 1));
  const textSize = 0.62 * rowHeight;
  const panel = 480 * unit;

  const canvas = createCanvas(Math.round(image.width + panel), image.height);
  const context = canvas.getContext('2d');
  context.fillStyle = '#16181b';
  context.fillRect(0, 0, canvas.width, canvas.height);
  putImage(context, image);

  context.textBaseline = 'middle';
  lines.forEach(({ text, confidence, box }, i) => {
    const color = confidence >= 0.8 ? SURE : UNSURE;
    drawBox(context, corners(box), String(i + 1), color, unit);

    const y = (i + 1) * rowHeight;
    const left = image.width + 16 * unit;
    context.font = `${textSize}px "${BOLD}"`;
    context.fillStyle = color;
    context.fillText(String(i + 1), left, y);
    context.fillText(`${(100 * confidence).toFixed(1)} %`, image.width + panel - 92 * unit, y);
    context.font = `${textSize}px "${REGULAR}"`;
    context.fillStyle = '#f2f2f2';
    context.fillText(text, left + 36 * unit, y, panel - 158 * unit);
  });

  writePng(canvas, file);
}

function drawBox(context, points, label, color, unit) {
  context.strokeStyle = color;
  context.lineWidth = 2.5 * unit;
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.closePath();
  context.stroke();

  const [x, y] = points[0];
  context.font = `${15 * unit}px "${BOLD}"`;
  const width = context.measureText(label).width + 8 * unit;
  context.fillStyle = color;
  context.fillRect(x - width, y - 2 * unit, width, 20 * unit);
  context.fillStyle = '#ffffff';
  context.fillText(label, x - width + 4 * unit, y + 8 * unit);
}
