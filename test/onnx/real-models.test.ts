/** Real models in f16, one in bf16: what they see, read and hear is what they do in f32, on OpenVINO and on Python's onnxruntime. */
import fs from 'node:fs';
import path from 'node:path';
import { convertPrecision } from '../../lib/index.js';
import type { Outputs, Tensor } from '../../lib/types.js';
import { closeAll, load } from '../backends/openvino/models.js';
import {
  describeAssets,
  faces,
  fastestDet,
  imagenetLabels,
  mobilenet,
  modelFile,
  photographs,
  pixels,
  type RealModel,
} from '../support/assets.js';
import { cocoObjects, faceBoxes, missed, type Detection } from '../support/detections.js';
import { Folder } from '../support/folder.js';
import { detectorFile, Labels, recognizerFile } from '../support/labels.js';
import { f32, furthest, onnxruntime } from '../support/onnxruntime.js';
import { complaints } from '../support/onnx-check.js';
import { argmax } from '../support/photographs.js';
import { packageFolder } from '../support/python.js';
import { inputs as windows, noState, rate, truth } from '../support/voices.js';

const folder = new Folder();

/** The file of the model in f16 or bf16, which ONNX's checker has passed. */
function converted(file: string, precision: 'f16' | 'bf16' = 'f16'): string {
  const { model, report } = convertPrecision(fs.readFileSync(file), { precision });
  expect(complaints(folder, [model])).toEqual([null]);
  expect(report.converted).toBeGreaterThan(20);
  // Nearly all of these files is weights.
  expect(model.length).toBeLessThan(0.65 * fs.statSync(file).size);
  return folder.write(`${path.basename(file, '.onnx')}-${precision}.onnx`, model);
}

afterEach(closeAll);

/** The outputs for all photographs: of the model itself by onnxruntime, and of the one in f16 by both. */
async function onPhotographs(real: RealModel): Promise<readonly { expected: Outputs; found: readonly Outputs[] }[]> {
  const inputs = (await Promise.all(photographs.map((name) => pixels(name, real)))).map((data) => ({
    [real.input]: f32(real.shape, data),
  }));
  const file = converted(modelFile(real));
  const [expected, inPython] = [onnxruntime(folder, modelFile(real), inputs), onnxruntime(folder, file, inputs)];
  const model = await load(file);
  expect(model.inputs).toEqual([{ name: real.input, dtype: 'f32', shape: real.shape }]);
  const results = [];
  for (const [i, input] of inputs.entries()) {
    results.push({ expected: expected[i]!, found: [await model.run(input), inPython[i]!] });
  }
  return results;
}

describeAssets('photographs', () => {
  it('MobileNetV2 tells the same', async () => {
    const labels = imagenetLabels();
    const told = (outputs: Outputs): string => labels[argmax(outputs['output']!.data as Float32Array)]!;
    for (const { expected, found } of await onPhotographs(mobilenet)) {
      for (const outputs of found) {
        expect(told(outputs)).toBe(told(expected));
        expect(furthest(outputs['output']!, expected['output']!)).toBeLessThan(0.02);
      }
    }
  });

  it.each<[string, RealModel, (outputs: Outputs, threshold: number) => Detection[]]>([
    [fastestDet.file, fastestDet, (outputs, threshold) => cocoObjects(outputs['758']!.data as Float32Array, threshold)],
    [
      faces.file,
      faces,
      ({ scores, boxes }, threshold) => faceBoxes(scores!.data as Float32Array, boxes!.data as Float32Array, threshold),
    ],
  ])('%s finds the same', async (_, real, find) => {
    let compared = 0;
    for (const { expected, found } of await onPhotographs(real)) {
      for (const outputs of found) {
        const [ours, wanted] = [find(outputs, 0.4), find(expected, 0.4)];
        expect({ missed: missed(wanted, ours), invented: missed(ours, wanted) }).toEqual({ missed: [], invented: [] });
        compared += wanted.length;
      }
    }
    expect(compared).toBeGreaterThan(5);
  });
});

describe('PP-OCRv4', () => {
  const { draw, crops, decode } = new Labels(folder);

  it('reads labels as they are printed', async () => {
    const { lines, picture } = draw(1);
    const [detector, recognizer] = await Promise.all(
      [detectorFile, recognizerFile].map((file) => load(converted(file))),
    );
    const [map] = Object.values(await detector!.run({ x: picture }));
    const inputs = crops(map!);
    const outputs: Tensor[] = [];
    for (const x of inputs) outputs.push(...Object.values(await recognizer!.run({ x })));
    expect(decode(outputs)).toEqual(lines);
  }, 300_000);
});

describe('Silero', () => {
  const data = path.join(packageFolder('silero_vad'), 'data');
  const runs = windows.map((input, i) => ({ input, sr: rate, ...(i === 0 ? { state: noState } : {}) }));
  const decisions = (outputs: readonly Outputs[]): boolean[] =>
    outputs.map(({ output }) => (output!.data[0] as number) > 0.5);

  it('hears the voices, and only these, also in the bodies of its If nodes', () => {
    const file = path.join(data, 'silero_vad.onnx');
    const expected = onnxruntime(folder, file, runs, { state: 'stateN' });
    const found = onnxruntime(folder, converted(file), runs, { state: 'stateN' });
    expect(decisions(expected)).toEqual(truth);
    expect(decisions(found)).toEqual(truth);
    expect(Math.max(...found.map(({ output }, i) => furthest(output!, expected[i]!['output']!)))).toBeLessThan(0.05);
  });

  it.each(['f16', 'bf16'] as const)('on OpenVINO too, in %s', async (precision) => {
    const model = await load(converted(path.join(data, 'silero_vad_openvino_16k.onnx'), precision));
    const found: Outputs[] = [];
    for (const input of windows) {
      found.push(await model.run({ input, state: found[found.length - 1]?.['stateN'] ?? noState }));
    }
    expect(decisions(found)).toEqual(truth);
  });
});
