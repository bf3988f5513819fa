/** The command line of the face demo. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { DemoError } from '../shared/command.mjs';
import { MODELS } from './models.mjs';

const USAGE = `Usage: node examples/faces/main.mjs [IMAGE] [options]

Finds the faces in IMAGE (JPEG, PNG, WebP); without one, in images/face.jpg of the folder that EDGE_INFER_ASSETS names.

  --device DEVICE   where the model runs: tflite:cpu (default), openvino:cpu, …
  --model NAME      short (faces within two metres), full (within five; default), sparse (as full, a smaller file)
  --score N         the least score of a face, above 0 to 1 (default: as in MediaPipe, short 0.5, the others 0.6)
  --out FILE        the annotated image (default: out/faces-annotated.png)
  --json            one JSON object on stdout, messages on stderr
  --help`;

/**
 * Throws a `DemoError` with the usage where it is not kept.
 * @param {string[]} args
 * @returns {{ help: string | null, image: string | null, device: string, model: import('./models.mjs').FaceModel,
 *   out: string, json: boolean }} `image`: null where there is none to take
 */
export function parseOptions(args) {
  const usage = (message) => new DemoError(`${message}\n\n${USAGE}`, 2);
  let parsed;
  try {
    parsed = parseArgs({
      args,
      allowPositionals: true,
      options: {
        device: { type: 'string', default: 'tflite:cpu' },
        model: { type: 'string', default: 'full' },
        score: { type: 'string' },
        out: { type: 'string', default: 'out/faces-annotated.png' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw usage(error.message);
  }
  const { values, positionals } = parsed;
  if (positionals.length > 1) throw usage(`Expected one image, got ${positionals.length}.`);
  if (!Object.hasOwn(MODELS, values.model)) {
    throw usage(`Expected \`--model\` to be one of ${Object.keys(MODELS).join(', ')}, got ${values.model}.`);
  }
  const model = { ...MODELS[values.model] };
  if (values.score !== undefined) {
    model.minimumScore = Number(values.score);
    if (!(model.minimumScore > 0 && model.minimumScore <= 1)) {
      throw usage(`Expected \`--score\` to be a number above 0 and up to 1, got ${values.score}.`);
    }
  }
  const { device, out, json, help } = values;
  return { help: help ? USAGE : null, image: positionals[0] ?? photographOfAssets(), device, model, out, json };
}

function photographOfAssets() {
  const assets = process.env.EDGE_INFER_ASSETS;
  const file = assets ? join(assets, 'images', 'face.jpg') : null;
  return file !== null && existsSync(file) ? file : null;
}
