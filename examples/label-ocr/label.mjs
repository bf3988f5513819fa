/** Draws the label of a machine as a camera would see it: askew, unevenly lit and noisy, the same for the same seed. */

import { createCanvas } from '@napi-rs/canvas';

import { BOLD, REGULAR } from '../shared/fonts.mjs';

/** The size that all coordinates below are written for; other sizes are scaled. */
const DESIGN = { width: 1280, height: 720 };
const PLATE = { width: 1010, height: 560 };
const COLUMNS = [48, 225, 590, 800];

/**
 * @param {{ seed?: number, width?: number, height?: number }} [options]
 * @returns {{ canvas: import('@napi-rs/canvas').Canvas, pixels: import('../shared/sampling.mjs').Pixels, lines: string[],
 *   fields: { part: string, lot: string, date: string }, angle: number }} `lines`: the texts in reading order;
 *   `angle`: degrees, clockwise
 */
export function renderLabel({ seed = 1, width = DESIGN.width, height = DESIGN.height } = {}) {
  const random = generator(seed);
  const between = (low, high) => low + (high - low) * random();
  const content = makeContent(random);
  const angle = between(2, 4) * (random() < 0.5 ? -1 : 1);

  const canvas = createCanvas(width, height);
  const context = canvas.getContext('2d');
  context.scale(width / DESIGN.width, height / DESIGN.height);
  drawMachine(context, random);
  context.translate(DESIGN.width / 2 + between(-20, 20), DESIGN.height / 2 + between(-12, 12));
  context.rotate((angle * Math.PI) / 180);
  context.translate(-PLATE.width / 2, -PLATE.height / 2);
  drawPlate(context, content);

  const pixels = context.getImageData(0, 0, width, height);
  exposePixels(pixels, random, { lightAngle: between(0, 2 * Math.PI), noise: 9 });
  context.putImageData(pixels, 0, 0);
  return { canvas, pixels, lines: content.rows.flatMap((row) => row.texts), fields: content.fields, angle };
}

/** What is printed. Numbers differ with the seed. */
function makeContent(random) {
  const digits = (count) => Array.from({ length: count }, () => Math.floor(random() * 10)).join('');
  const twoDigits = (low, high) => String(low + Math.floor(random() * (high - low + 1))).padStart(2, '0');
  const fields = {
    part: `NW-4${digits(4)}-C${1 + Math.floor(random() * 9)}`,
    lot: `L25-${digits(5)}`,
    date: `2025-${twoDigits(1, 12)}-${twoDigits(1, 28)}`,
  };
  const rows = [
    { texts: ['NORDWERK HYDRAULICS'], font: BOLD, size: 56, baseline: 88 },
    { texts: ['Axial piston pump'], font: REGULAR, size: 38, baseline: 146 },
    { texts: ['PART', fields.part, 'MAX', '250 bar'], font: BOLD, size: 38, baseline: 216 },
    { texts: ['LOT', fields.lot, 'SUPPLY', '24VDC'], font: BOLD, size: 38, baseline: 278 },
    { texts: ['DATE', fields.date, 'SEAL', 'FKM'], font: BOLD, size: 38, baseline: 340 },
    { texts: ['WARNING HIGH PRESSURE'], font: BOLD, size: 46, baseline: 434, band: { top: 380, height: 76 } },
    { texts: ['Release pressure before opening'], font: REGULAR, size: 38, baseline: 516 },
  ];
  return { fields, rows };
}

/** Brushed dark metal. */
function drawMachine(context, random) {
  context.fillStyle = '#4a4f55';
  context.fillRect(0, 0, DESIGN.width, DESIGN.height);
  for (let i = 0; i < 260; i++) {
    const shade = 60 + Math.floor(random() * 40);
    context.fillStyle = `rgba(${shade}, ${shade + 4}, ${shade + 8}, 0.35)`;
    context.fillRect(0, random() * DESIGN.height, DESIGN.width, 1 + random() * 3);
  }
}

function drawPlate(context, { rows }) {
  context.fillStyle = '#e9e7df';
  context.beginPath();
  context.roundRect(0, 0, PLATE.width, PLATE.height, 22);
  context.fill();
  context.strokeStyle = '#3a3a3a';
  context.lineWidth = 3;
  context.beginPath();
  context.roundRect(12, 12, PLATE.width - 24, PLATE.height - 24, 14);
  context.stroke();
  for (const { texts, font, size, baseline, band } of rows) {
    if (band) {
      context.fillStyle = '#f2b705';
      context.fillRect(14, band.top, PLATE.width - 28, band.height);
    }
    context.fillStyle = '#1c1c1e';
    context.font = `${size}px "${font}"`;
    texts.forEach((text, i) => context.fillText(text, COLUMNS[i], baseline));
  }
}

/** Light that falls off to one side and towards the corners, then the sensor's noise (about Gaussian). */
function exposePixels({ data, width, height }, random, { lightAngle, noise }) {
  const lightX = Math.cos(lightAngle);
  const lightY = Math.sin(lightAngle);
  for (let y = 0, at = 0; y < height; y++) {
    const v = (2 * y) / height - 1;
    for (let x = 0; x < width; x++, at += 4) {
      const u = (2 * x) / width - 1;
      const light = (0.8 + 0.22 * (u * lightX + v * lightY)) * (1 - 0.2 * (u * u + v * v));
      // Three uniform numbers added have a standard deviation of 0.5.
      const grain = (random() + random() + random() - 1.5) * 2 * noise;
      data[at] = data[at] * light + grain;
      data[at + 1] = data[at + 1] * light + grain;
      data[at + 2] = data[at + 2] * light + grain;
    }
  }
}

/**
 * Random numbers in [0, 1), always the same for a seed: a counter with odd step, mixed by the finalizer of MurmurHash3.
 * @param {number} seed
 */
function generator(seed) {
  let state = Math.imul(seed, 0x9e3779b1);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x85ebca6b);
    mixed ^= mixed >>> 13;
    mixed = Math.imul(mixed, 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    return (mixed >>> 0) / 2 ** 32;
  };
}
