/** TFLite on the CPU: real full-integer models on photographs tell what is on them, as OpenVINO and their f32 twin do. */
import fs from 'node:fs';
import type { Model } from '../../../../lib/index.js';
import type { Tensor } from '../../../../lib/types.js';
import {
  asset,
  deeplab,
  describeAssets,
  imagenetLabels,
  mobilenet,
  mobilenetInt8,
  modelFile,
  photographs,
  pixels,
  smallMobilenetInt8,
  type RealModel,
} from '../../../support/assets.js';
import { argmax, photograph } from '../../../support/photographs.js';
import { numbers } from '../../../support/values.js';
import { builtIn, load } from '../models.js';

/** The one output for a photograph. */
async function output(model: Model, name: string, real: RealModel): Promise<Tensor> {
  const floats = await pixels(name, real);
  const data = model.inputs[0]!.dtype === 'u8' ? Uint8Array.from(floats) : floats;
  const outputs = await model.run({ [model.inputs[0]!.name]: data });
  return outputs[model.outputs[0]!.name]!;
}

async function best(model: Model, name: string, real: RealModel): Promise<number> {
  return argmax((await output(model, name, real)).data as Uint8Array);
}

describeAssets('photographs', () => {
  it.each([mobilenetInt8, smallMobilenetInt8, deeplab].map((real) => [real.file, real] as const))(
    '%s is there as its file says, and XNNPACK computes most of it',
    async (_, real) => {
      const model = await load(modelFile(real));
      expect(model.inputs).toMatchObject([{ name: real.input, dtype: 'u8', shape: real.shape }]);
      expect(model.info).toMatchObject({ device: 'tflite:cpu', precision: { requested: 'model', actual: 'u8' } });
      const { NODES, NODES_XNNPACK } = model.info.properties;
      expect(Number(NODES)).toBeGreaterThan(30);
      expect(Number(NODES_XNNPACK)).toBeGreaterThan(0.8 * Number(NODES));
    },
  );

  it.each([
    ['XNNPACK', {}],
    ['the built-in kernels', builtIn],
  ])('MobileNetV2 tells what is on them: %s', async (_, options) => {
    const labels = imagenetLabels();
    const model = await load(modelFile(mobilenetInt8), options);
    const told: Record<string, string> = {};
    for (const name of photographs) told[name] = labels[await best(model, name, mobilenetInt8)]!;
    expect(told['grace_hopper.bmp']).toContain('military uniform');
    expect(told['hot_dog.jpg']).toMatch(/hot ?dog/);
    expect(told['cat_720p.jpg']).toMatch(/cat|tabby/);
  });

  it('MobileNetV2 tells the same as OpenVINO on the same file, and as its twin in f32', async () => {
    const model = await load(modelFile(mobilenetInt8));
    const other = await load(modelFile(mobilenetInt8), { device: 'openvino:cpu' });
    const twin = await load(modelFile(mobilenet), { device: 'openvino:cpu' });
    expect(other.info.device).toBe('openvino:cpu');
    const told = [];
    for (const name of photographs) {
      const ours = await best(model, name, mobilenetInt8);
      const theirs = await best(other, name, mobilenetInt8);
      told.push({ name, ours, theirs, twin: await best(twin, name, mobilenet) });
    }
    expect(told).toEqual(told.map(({ name, ours }) => ({ name, ours, theirs: ours, twin: ours })));
    expect(new Set(told.map(({ ours }) => ours)).size).toBe(photographs.length);
  });

  it('the small MobileNetV1 tells the same as OpenVINO on the same file', async () => {
    const model = await load(modelFile(smallMobilenetInt8));
    const other = await load(modelFile(smallMobilenetInt8), { device: 'openvino:cpu' });
    const told = [];
    for (const name of photographs) {
      const ours = await best(model, name, smallMobilenetInt8);
      told.push({ name, ours, theirs: await best(other, name, smallMobilenetInt8) });
    }
    expect(told).toEqual(told.map(({ name, ours }) => ({ name, ours, theirs: ours })));
  });

  it('the small MobileNetV1 tells the cat, and the uniform among its five best', async () => {
    const labels = imagenetLabels();
    const model = await load(modelFile(smallMobilenetInt8));
    const fiveBest = async (name: string): Promise<string[]> => {
      const scores = (await output(model, name, smallMobilenetInt8)).data as Uint8Array;
      const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!);
      return best.slice(0, 5).map((i) => labels[i]!);
    };
    expect((await fiveBest('cat_720p.jpg'))[0]).toMatch(/tiger cat|tabby/);
    expect(await fiveBest('grace_hopper.bmp')).toContainEqual(expect.stringContaining('military uniform'));
  });

  it('a model in memory tells the same as from its file', async () => {
    const file = modelFile(smallMobilenetInt8);
    const [fromFile, fromMemory] = [await load(file), await load(new Uint8Array(fs.readFileSync(file)))];
    const [a, b] = [
      await output(fromFile, 'cat_720p.jpg', smallMobilenetInt8),
      await output(fromMemory, 'cat_720p.jpg', smallMobilenetInt8),
    ];
    expect(numbers(a.data)).toEqual(numbers(b.data));
  });

  it.each(['tflite:cpu', 'openvino:cpu'])('DeepLab finds the bird where it is: %s', async (device) => {
    const bird = 3; // among the classes of Pascal VOC, and in the file of the mask
    const mask = Uint8Array.from(await photograph(asset('images', 'bird_segmentation_mask.bmp'), deeplab.layout));
    const model = await load(modelFile(deeplab), { device });
    const classes = await output(model, 'bird_segmentation.bmp', deeplab);
    expect(classes).toMatchObject({ dtype: 'i64', shape: [1, 513, 513] });
    let [both, either] = [0, 0];
    numbers(classes.data).forEach((found, i) => {
      const [isFound, isThere] = [found === bird, mask[3 * i] === bird];
      if (isFound && isThere) both++;
      if (isFound || isThere) either++;
    });
    expect(either).toBeGreaterThan(40_000);
    expect(both / either).toBeGreaterThanOrEqual(0.8);
  });
});
