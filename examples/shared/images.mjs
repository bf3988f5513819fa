/** Pictures from files and into files. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

import { createCanvas, loadImage } from '@napi-rs/canvas';

import { DemoError } from './command.mjs';

const REASONS = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'reading it is not permitted',
};

/**
 * @param {string} file a picture in a format that browsers read
 * @returns {Promise<{ name: string, image: import('./sampling.mjs').Pixels }>}
 */
export async function openImage(file) {
  let bytes;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw new DemoError(`Cannot read the image ${file}: ${REASONS[error.code] ?? error.message}.`);
  }
  try {
    const picture = await loadImage(bytes);
    const canvas = createCanvas(picture.width, picture.height);
    const context = canvas.getContext('2d');
    // Transparent pixels would read as black.
    context.fillStyle = '#ffffff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0);
    return { name: basename(file), image: context.getImageData(0, 0, canvas.width, canvas.height) };
  } catch (error) {
    throw new DemoError(
      `Cannot read the image ${file}: it is not a JPEG, PNG or WebP image, or it is damaged (${error.message}).`,
    );
  }
}

/**
 * Puts an image into the top left of a canvas, whatever its transformation.
 * @param {import('@napi-rs/canvas').SKRSContext2D} context
 * @param {import('./sampling.mjs').Pixels} image
 */
export function putImage(context, image) {
  const pixels = context.createImageData(image.width, image.height);
  pixels.data.set(image.data);
  context.putImageData(pixels, 0, 0);
}

/**
 * Writes a PNG and makes its folder where needed. Blocks.
 * @param {import('@napi-rs/canvas').Canvas} canvas
 * @param {string} file
 */
export function writePng(canvas, file) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, canvas.toBuffer('image/png'));
}
