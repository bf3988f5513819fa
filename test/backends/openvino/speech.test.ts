/** Silero voice activity detection on sounds made here: the same numbers as onnxruntime, and in bf16 the same decisions. */
import path from 'node:path';
import type { Model } from '../../../lib/index.js';
import type { Outputs, Tensor } from '../../../lib/types.js';
import { Folder } from '../../support/folder.js';
import { expectSame, f32, furthest, onnxruntime } from '../../support/onnxruntime.js';
import { packageFolder } from '../../support/python.js';
import { joined } from '../../support/speech.js';
import { context, inputs, noState, rate, truth, window } from '../../support/voices.js';
import { describeBf16, inBf16 } from './bf16.js';
import { closeAll, load } from './models.js';

const folder = new Folder();

/** The same model in forms that OpenVINO reads: the first has an `If` in whose branches it does not know the tensors' ranks. */
const files = {
  fixed: 'silero_vad_openvino_16k.onnx',
  dynamic: 'silero_vad_op18_ifless.onnx',
  sequence: 'silero_vad_16k_sequence.onnx',
} as const;

let data: string;
/** Of silero_vad.onnx, the model as it is published, by onnxruntime: { output, stateN } for each window. */
let expected: Outputs[];

beforeAll(() => {
  data = path.join(packageFolder('silero_vad'), 'data');
  const runs = inputs.map((input, i) => ({ input, sr: rate, ...(i === 0 ? { state: noState } : {}) }));
  expected = onnxruntime(folder, path.join(data, 'silero_vad.onnx'), runs, { state: 'stateN' });
}, 120_000);
afterEach(closeAll);

const probability = ({ data: values }: Tensor): number => values[0] as number;
const decisions = (probabilities: readonly number[]): boolean[] => probabilities.map((one) => one > 0.5);

/** In a request's own buffers; the state goes back into them after every window. `see` must be done with the outputs. */
async function inPlace(model: Model, see: (outputs: Outputs, i: number) => void): Promise<number[]> {
  const request = model.createRequest();
  const probabilities: number[] = [];
  for (const [i, input] of inputs.entries()) {
    (request.inputs['input']!.data as Float32Array).set(input.data as Float32Array);
    await request.run();
    const { output, stateN } = request.outputs;
    see({ output: output!, stateN: stateN! }, i);
    probabilities.push(probability(output!));
    (request.inputs['state']!.data as Float32Array).set(stateN!.data as Float32Array);
  }
  return probabilities;
}

/** With copies; outputs are the next inputs as they are. */
async function copied(model: Model, see: (outputs: Outputs, i: number) => void): Promise<number[]> {
  let state = noState;
  const probabilities: number[] = [];
  for (const [i, input] of inputs.entries()) {
    const outputs = await model.run({ input, sr: rate, state });
    see(outputs, i);
    probabilities.push(probability(outputs['output']!));
    state = outputs['stateN']!;
  }
  return probabilities;
}

/** Many windows a run, in blocks of several lengths. `see` hears of the state after each block. */
async function inBlocks(model: Model, see: (h: Tensor, c: Tensor, last: number) => void): Promise<number[]> {
  const probabilities: number[] = [];
  let [h, c] = [f32([1, 1, 128], new Float32Array(128)), f32([1, 1, 128], new Float32Array(128))];
  for (let at = 0, length = 1; at < inputs.length; at += length, length = Math.min(3 * length, inputs.length - at)) {
    const block = joined(...inputs.slice(at, at + length).map((input) => input.data as Float32Array));
    const outputs = await model.run({ input: f32([length, context + window], block), h, c });
    probabilities.push(...(outputs['speech_probs']!.data as Float32Array));
    [h, c] = [outputs['hn']!, outputs['cn']!];
    see(h, c, at + length - 1);
  }
  return probabilities;
}

describe('Silero', () => {
  it('the reference hears the voices, and only these', () => {
    expect(decisions(expected.map(({ output }) => probability(output!)))).toEqual(truth);
  });

  it('in place, with fixed shapes: every window and its state equal onnxruntime’s within 1e-4', async () => {
    const model = await load(path.join(data, files.fixed));
    expect(model.info.precision.actual).toBe('f32');
    expect(decisions(await inPlace(model, (outputs, i) => expectSame(outputs, expected[i]!)))).toEqual(truth);
    expect(model.statistics().bytesCopied).toBe(0);
  });

  it('copied, with shapes decided per run and a scalar: the same', async () => {
    const model = await load(path.join(data, files.dynamic));
    expect(decisions(await copied(model, (outputs, i) => expectSame(outputs, expected[i]!)))).toEqual(truth);
  });

  it('many windows in one run: the same', async () => {
    const model = await load(path.join(data, files.sequence));
    const probabilities = await inBlocks(model, (h, c, last) => {
      const values = joined(h.data as Float32Array, c.data as Float32Array);
      expectSame({ stateN: f32([2, 1, 128], values) }, { stateN: expected[last]!['stateN']! });
    });
    expect(probabilities).toHaveLength(inputs.length);
    for (const [i, one] of probabilities.entries()) {
      expectSame({ output: f32([1, 1], Float32Array.of(one)) }, { output: expected[i]!['output']! });
    }
    expect(decisions(probabilities)).toEqual(truth);
  });

  it('its state counts: without it, windows are judged otherwise', async () => {
    const model = await load(path.join(data, files.fixed));
    const differences: number[] = [];
    for (const [i, input] of inputs.entries()) {
      const { output } = await model.run({ input, state: noState });
      differences.push(furthest(output!, expected[i]!['output']!));
    }
    expect(Math.max(...differences)).toBeGreaterThan(0.3);
  });
});

describeBf16('Silero in bf16', () => {
  const nothing = (): void => undefined;
  it.each([
    [files.fixed, (model: Model) => inPlace(model, nothing)],
    [files.dynamic, (model: Model) => copied(model, nothing)],
    [files.sequence, (model: Model) => inBlocks(model, nothing)],
  ])('%s: hears the voices, and only these', async (file, run) => {
    const model = await load(path.join(data, file), { precision: 'bf16' });
    expect(model.info.precision).toEqual(inBf16);
    expect(decisions(await run(model))).toEqual(truth);
  });
});
