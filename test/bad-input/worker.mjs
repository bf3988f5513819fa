// Loads damaged models and runs each once with zeros, one a line on stdin: see scripts/disposable-workers.mjs.
//   node worker.mjs FOLDER LOAD_OPTIONS
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';
import { root } from '../../scripts/root.mjs';
import { writeDamaged } from './corpus.mjs';

const { loadModel } = createRequire(import.meta.url)(path.join(root, 'dist', 'index.js'));
const [folder, optionsText] = process.argv.slice(2);
const options = JSON.parse(optionsText);
const mostElements = 1 << 26;

function words(error, stage) {
  if (error?.name !== 'InferenceError')
    return { outcome: `${stage}: untyped error`, words: String(error?.stack ?? error) };
  const incomplete = error.message === '' || error.remedy === '' ? ' without words' : '';
  return { outcome: `${stage}: ${error.code}${incomplete}`, words: `${error.message} ${error.remedy}` };
}

/** Zeros for every input; a dimension that the run decides is 1 or, after the first, 64. Null where they would be gigantic. */
function shapesOf(model) {
  const shapes = {};
  let elements = 0;
  for (const { name, shape } of model.inputs) {
    shapes[name] = (shape ?? []).map((dim, i) => (dim < 0 ? (i === 0 ? 1 : 64) : dim));
    elements += shapes[name].reduce((product, dim) => product * dim, 1);
  }
  return elements > mostElements ? null : shapes;
}

async function run(one) {
  const file = writeDamaged(one, folder);
  let model = null;
  let stage = 'load';
  try {
    model = await loadModel(file, options);
    const shapes = shapesOf(model);
    if (shapes === null) return { outcome: 'loaded, gigantic inputs', words: '' };
    stage = 'run';
    const request = model.createRequest({ shapes });
    await request.run();
    return { outcome: 'loaded and ran', words: '' };
  } catch (error) {
    return words(error, stage);
  } finally {
    await model?.dispose();
    for (const name of fs.readdirSync(folder)) if (name.startsWith(`${one.id}.`)) fs.rmSync(path.join(folder, name));
  }
}

const answers = fs.createWriteStream(null, { fd: 3 });
for await (const line of readline.createInterface({ input: process.stdin })) {
  answers.write(`${JSON.stringify(await run(JSON.parse(line)))}\n`);
}
