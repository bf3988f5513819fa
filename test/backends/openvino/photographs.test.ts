/** Real models on photographs: known answers, the same numbers as Python's onnxruntime, and in bf16 the same findings. */
import fs from 'node:fs';
import type { Outputs, Tensor } from '../../../lib/types.js';
import {
  asset,
  deeplab,
  describeAssets,
  faces,
  fastestDet,
  hasAssets,
  imagenetLabels,
  mobilenet,
  mobilenetInt8,
  modelFile,
  photographs,
  pixels,
  smallMobilenetInt8,
  type RealModel,
} from '../../support/assets.js';
import { cocoObjects, faceBoxes, missed, type Detection } from '../../support/detections.js';
import { Folder } from '../../support/folder.js';
import { expectSame, f32, onnxruntime, spread } from '../../support/onnxruntime.js';
import { argmax } from '../../support/photographs.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { describeBf16 } from './bf16.js';
import { closeAll, load } from './models.js';

const folder = new Folder();

/** All photographs as inputs of a model, and its outputs for them by onnxruntime. */
async function reference(model: RealModel): Promise<{ inputs: Record<string, Tensor>[]; expected: Outputs[] }> {
  const tensors = await Promise.all(photographs.map((name) => pixels(name, model)));
  const inputs = tensors.map((data) => ({ [model.input]: f32(model.shape, data) }));
  return { inputs, expected: onnxruntime(folder, modelFile(model), inputs) };
}

function objects(outputs: Outputs, threshold: number): Detection[] {
  return cocoObjects(outputs['758']!.data as Float32Array, threshold);
}

function facesIn({ scores, boxes }: Outputs, threshold: number): Detection[] {
  return faceBoxes(scores!.data as Float32Array, boxes!.data as Float32Array, threshold);
}

afterEach(closeAll);

describeAssets('photographs', () => {
  it.each([mobilenet, fastestDet, faces].map((model) => [model.file, model] as const))(
    '%s: every output equals onnxruntime’s within 1e-4',
    async (_, real) => {
      const { inputs, expected } = await reference(real);
      const model = await load(modelFile(real));
      expect(model.inputs).toEqual([{ name: real.input, dtype: 'f32', shape: real.shape }]);
      expect(model.info.precision).toEqual({ requested: 'model', actual: 'f32' });
      const request = model.createRequest();
      for (const [i, input] of inputs.entries()) {
        (request.inputs[real.input]!.data as Float32Array).set(input[real.input]!.data as Float32Array);
        await request.run();
        expectSame(request.outputs, expected[i]!);
        expectSame(await model.run(input), expected[i]!);
        for (const output of Object.values(expected[i]!)) expect(spread(output)).toBeGreaterThan(1e-2); // something to compare
      }
    },
    300_000,
  );

  it('MobileNetV2 tells what is on them', async () => {
    const labels = imagenetLabels();
    const model = await load(modelFile(mobilenet));
    const told: Record<string, string> = {};
    for (const name of photographs) {
      const { output } = await model.run({ input: await pixels(name, mobilenet) });
      told[name] = labels[argmax(output!.data as Float32Array)]!;
    }
    expect(told['grace_hopper.bmp']).toContain('military uniform');
    expect(told['hot_dog.jpg']).toMatch(/hot ?dog/);
    expect(told['cat_720p.jpg']).toMatch(/cat|tabby/);
  });

  it('full-integer TFLite models tell the same as their twin in f32', async () => {
    const twin = await load(modelFile(mobilenet));
    const file = modelFile(mobilenetInt8);
    const fromFile = await load(file);
    const fromMemory = await load(new Uint8Array(fs.readFileSync(file)));
    for (const { inputs, outputs } of [fromFile, fromMemory]) {
      expect(inputs).toMatchObject([{ dtype: 'u8', shape: [1, 224, 224, 3] }]);
      expect(outputs).toMatchObject([{ dtype: 'u8', shape: [1, 1001] }]);
    }
    const name = fromFile.inputs[0]!.name;
    for (const picture of photographs) {
      const bytes = Uint8Array.from(await pixels(picture, mobilenetInt8));
      const expected = argmax(
        (await twin.run({ input: await pixels(picture, mobilenet) }))['output']!.data as Float32Array,
      );
      for (const model of [fromFile, fromMemory]) {
        const outputs = await model.run({ [name]: bytes });
        expect(argmax(outputs[model.outputs[0]!.name]!.data as Uint8Array)).toBe(expected);
      }
    }
  });

  it('a small TFLite classifier, and a segmentation with integer outputs', async () => {
    const small = await load(modelFile(smallMobilenetInt8));
    const picture = Uint8Array.from(await pixels('grace_hopper.bmp', smallMobilenetInt8));
    const labels = imagenetLabels();
    const scores = (await small.run({ [small.inputs[0]!.name]: picture }))[small.outputs[0]!.name]!;
    const best = Array.from(scores.data as Uint8Array, (score, i) => ({ score, label: labels[i]! }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 5);
    expect(best.map(({ label }) => label).join()).toMatch(/military uniform|suit|tie|mortarboard|bow/);

    const segmentation = await load(modelFile(deeplab));
    const bird = Uint8Array.from(await pixels('bird_segmentation.bmp', deeplab));
    const classes = (await segmentation.run({ [segmentation.inputs[0]!.name]: bird }))[segmentation.outputs[0]!.name]!;
    const counts = new Map<number, number>();
    for (const one of numbers(classes.data)) counts.set(one, (counts.get(one) ?? 0) + 1);
    const [, second] = [...counts].sort((a, b) => b[1] - a[1]);
    expect(second![0]).toBe(3); // "bird" among the classes of Pascal VOC
  });

  it.each(['mobilenet_v1_0.25_128_quant_edgetpu.tflite'])(
    '%s: operations of another accelerator are refused',
    async (name) => {
      expect(await rejection(load(asset('models', name)))).toMatchObject({
        code: expect.stringMatching(/^ERR_(INVALID_MODEL|UNSUPPORTED)$/),
        backend: 'openvino',
      });
    },
  );

  it('FastestDet finds the persons', async () => {
    const [person, bird] = [0, 14]; // of the classes of COCO
    const model = await load(modelFile(fastestDet));
    const best = async (name: string): Promise<Detection | undefined> =>
      objects(await model.run({ [fastestDet.input]: await pixels(name, fastestDet) }), 0.3)[0];
    for (const name of ['grace_hopper.bmp', 'face.jpg']) {
      const found = await best(name);
      expect(found?.kind).toBe(person);
      expect(found?.score).toBeGreaterThan(0.7);
    }
    expect((await best('cat_720p.jpg'))?.kind).not.toBe(person);
    expect((await best('bird_segmentation.bmp'))?.kind).toBe(bird);
  });

  it('the face detector finds faces where there are some, and boxes of their size', async () => {
    const model = await load(modelFile(faces));
    const count = async (name: string, sure: number): Promise<number> => {
      const found = facesIn(await model.run({ input: await pixels(name, faces) }), sure);
      for (const { left, top, right, bottom } of found) {
        expect(right - left).toBeGreaterThan(0.05);
        expect(right - left).toBeLessThan(0.5);
        expect(bottom - top).toBeGreaterThan(0.1);
        expect(bottom - top).toBeLessThan(0.5);
      }
      return found.length;
    };
    expect(await count('face.jpg', 0.9)).toBe(4);
    expect(await count('grace_hopper.bmp', 0.9)).toBe(1);
    expect(await count('hot_dog.jpg', 0.5)).toBe(0);
  });
});

/** What users see of a model, in this precision and by onnxruntime in f32. */
function sameFindings(precision: 'f32' | 'bf16'): void {
  const inPrecision = async (
    real: RealModel,
    compare: (ours: Outputs, expected: Outputs, name: string) => void,
  ): Promise<void> => {
    const { inputs, expected } = await reference(real);
    const model = await load(modelFile(real), { precision });
    expect(model.info.precision).toEqual({ requested: precision, actual: precision });
    for (const [i, name] of photographs.entries()) compare(await model.run(inputs[i]!), expected[i]!, name);
  };

  it('MobileNetV2 tells the same as onnxruntime in f32, or where that is not sure, one of its five best', async () => {
    let sure = 0;
    await inPrecision(mobilenet, ({ output }, expected, name) => {
      const wanted = expected['output']!.data as Float32Array;
      const best = [...wanted.keys()].sort((a, b) => wanted[b]! - wanted[a]!);
      const isSure = wanted[best[0]!]! > 0.5;
      if (isSure) sure++;
      const told = argmax(output!.data as Float32Array);
      expect({ name, right: best.slice(0, isSure ? 1 : 5).includes(told) }).toEqual({ name, right: true });
    });
    expect(sure).toBe(photographs.length - 1); // all but the one of four faces, of which ImageNet has no class
  });

  it.each([
    [fastestDet.file, fastestDet, objects],
    [faces.file, faces, facesIn],
  ] as const)('%s finds what onnxruntime finds in f32, with the same boxes and scores', async (_, real, find) => {
    let compared = 0;
    await inPrecision(real, (ours, expected, name) => {
      const [found, wanted] = [find(ours, 0.4), find(expected, 0.4)];
      expect({ name, missed: missed(wanted, found), invented: missed(found, wanted) }).toEqual({
        name,
        missed: [],
        invented: [],
      });
      compared += wanted.filter(({ score }) => score >= 0.6).length;
    });
    expect(compared).toBeGreaterThanOrEqual(5);
  });
}

describeAssets('photographs in f32', () => sameFindings('f32'));
(hasAssets ? describeBf16 : describe.skip)('in bf16', () => sameFindings('bf16'));
