/** The face demo: one program and one model file, on the SDK that the device names. */

import { loadModel } from 'edge-infer';

import { DemoError, describeModel, describeStages, runDemo, summary, table } from '../shared/command.mjs';
import { openImage } from '../shared/images.mjs';
import { writeAnnotated } from './annotate.mjs';
import { FaceDetector } from './detector.mjs';
import { parseOptions } from './options.mjs';

/** Detections after the first. */
const REPETITIONS = 20;

async function main() {
  const options = parseOptions(process.argv.slice(2));
  if (options.help !== null) return console.log(options.help);
  const say = options.json ? console.error : console.log;
  if (options.image === null) {
    throw new DemoError('Give a photograph to look for faces in: node examples/faces/main.mjs my-photograph.jpg');
  }

  const { name, image } = await openImage(options.image);
  say(`Photograph   ${name}, ${image.width} × ${image.height}`);
  const model = await loadModel(options.model.file, { device: options.device });
  say(describeModel('Detector', model));

  const detector = new FaceDetector(model, options.model);
  // The first one pays for memory, kernels and compilers; a running system sees the others, of which the median counts.
  const first = await detector.detect(image);
  const detections = [];
  for (let i = 0; i < REPETITIONS; i++) detections.push(await detector.detect(image));
  const warm = detections.sort((a, b) => a.stagesMs.total - b.stagesMs.total)[REPETITIONS >> 1];
  say(describeFaces(warm.faces));
  say(`\n${describeStages(first.stagesMs, warm.stagesMs)}\n`);
  writeAnnotated(image, warm.faces, options.out);
  say(`Annotated    ${options.out}`);

  const report = {
    image: { source: name, width: image.width, height: image.height },
    model: summary(model),
    faces: warm.faces,
    stagesMs: { first: first.stagesMs, warm: warm.stagesMs },
    annotated: options.out,
  };
  detector.dispose();
  await model.dispose();
  if (options.json) console.log(JSON.stringify(report));
}

/** Places in pixels. */
function describeFaces(faces) {
  if (faces.length === 0) return '\nNo face found.';
  const rows = faces.map(({ score, box: { left, top, width, height } }, i) => [
    String(i + 1),
    `${(100 * score).toFixed(1)} %`,
    ...[left, top, width, height].map((value) => value.toFixed(1)),
  ]);
  return `\n${table([['Face', 'Score', 'Left', 'Top', 'Width', 'Height'], ...rows])}`;
}

await runDemo(main);
