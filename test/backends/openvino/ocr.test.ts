/** PP-OCRv4 on drawn labels: the same numbers as Python's onnxruntime, and in bf16 the same text. */
import type { Model } from '../../../lib/index.js';
import type { LoadOptions, Tensor } from '../../../lib/types.js';
import { Folder } from '../../support/folder.js';
import { detectorFile, Labels, recognizerFile } from '../../support/labels.js';
import { expectSame, f32, onnxruntime, spread } from '../../support/onnxruntime.js';
import { describeBf16, inBf16 } from './bf16.js';
import { closeAll, load } from './models.js';

const folder = new Folder();
const { draw, crops, decode } = new Labels(folder);

/** The one output for each input, of whatever shape: in one request, whose views the caller must be done with. */
async function each(model: Model, inputs: readonly Tensor[], use: (output: Tensor, i: number) => void): Promise<void> {
  const input = model.inputs[0]!.name;
  const request = model.createRequest({ shapes: { [input]: inputs[0]!.shape } });
  for (const [i, { shape, data }] of inputs.entries()) {
    request.reshape({ [input]: shape });
    (request.inputs[input]!.data as Float32Array).set(data as Float32Array);
    await request.run();
    use(request.outputs[model.outputs[0]!.name]!, i);
  }
  request.dispose();
}

/** The text of a label, with both networks loaded so. */
async function read(picture: Tensor, options: LoadOptions): Promise<string[]> {
  const detector = await load(detectorFile, { ...options, shapes: { x: picture.shape } });
  const recognizer = await load(recognizerFile, options);
  if (options.precision === 'bf16')
    for (const { info } of [detector, recognizer]) expect(info.precision).toEqual(inBf16);
  const outputs: Tensor[] = [];
  const copy = ({ shape, data }: Tensor): void => void outputs.push(f32(shape, (data as Float32Array).slice()));
  await each(detector, [picture], copy);
  const lines = crops(outputs.pop()!);
  await each(recognizer, lines, copy);
  return decode(outputs);
}

afterEach(closeAll);

describe('PP-OCRv4', () => {
  it.each([1, 2])(
    'label %i: every output equals onnxruntime’s within 1e-4, and so does the text',
    async (seed) => {
      const { lines, picture } = draw(seed);
      const [expected] = onnxruntime(folder, detectorFile, [{ x: picture }]);
      const [name] = Object.keys(expected!);
      const map = expected![name!]!;
      expect(spread(map)).toBeGreaterThan(0.9);
      const fixed = await load(detectorFile, { shapes: { x: picture.shape } });
      const dynamic = await load(detectorFile);
      for (const model of [fixed, dynamic]) {
        expect(model.info.precision.actual).toBe('f32');
        expectSame(await model.run({ x: picture }), expected!);
        await each(model, [picture], (output) => expectSame({ [name!]: output }, expected!));
      }

      const inputs = crops(map);
      expect(inputs).toHaveLength(lines.length);
      const probabilities = onnxruntime(
        folder,
        recognizerFile,
        inputs.map((x) => ({ x })),
      );
      const recognizer = await load(recognizerFile);
      const output = recognizer.outputs[0]!.name;
      await each(recognizer, inputs, (ours, i) => expectSame({ [output]: ours }, probabilities[i]!));
      expectSame(await recognizer.run({ x: inputs[0]! }), probabilities[0]!);
      expect(decode(probabilities.map((one) => one[output]!))).toEqual(lines);
      expect(await read(picture, {})).toEqual(lines);
    },
    300_000,
  );
});

describeBf16('PP-OCRv4 in bf16', () => {
  it.each([1, 2])(
    'label %i: every line is read as it is printed',
    async (seed) => {
      const { lines, picture } = draw(seed);
      expect(await read(picture, { precision: 'bf16' })).toEqual(lines);
    },
    300_000,
  );
});
