/** TFLite: operators that are not in its schema: the one for detections that it brings along, and those that it lacks. */
import { encode } from 'flatbuffers/js/flexbuffers.js';
import type { Model } from '../../../lib/index.js';
import { Tflite } from '../../support/tflite.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { builtIn, load, loadMade } from './models.js';

describe('TFLite_Detection_PostProcess', () => {
  const detections = 3;
  // Centre y, centre x, height, width.
  const anchors = [
    [0.25, 0.25, 0.5, 0.5],
    [0.25, 0.25, 0.5, 0.5],
    [0.75, 0.75, 0.5, 0.5],
    [0.5, 0.5, 0.2, 0.2],
  ];
  // How far a box is from its anchor, in the scales below: the second one is 0.1 of its anchor's height lower, the last
  // one twice as high as its anchor.
  const offsets = [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 5 * Math.log(2), 0],
  ];
  // Top, left, bottom, right: computed by hand. The first two overlap by 0.225 / 0.275.
  const boxes = [
    [0, 0, 0.5, 0.5],
    [0.05, 0, 0.55, 0.5],
    [0.5, 0.5, 1, 1],
    [0.3, 0.4, 0.7, 0.6],
  ];
  // Background and two classes.
  const scores = [
    [0, 0.9, 0.1],
    [0, 0.3, 0.8],
    [0, 0.2, 0.7],
    [0, 0.05, 0.6],
  ];

  const postProcess = (more: Record<string, number | boolean>): Tflite => {
    const model = new Tflite();
    const { main } = model;
    const offset = main.input('offsets', 'f32', [1, 4, 4]);
    const score = main.input('scores', 'f32', [1, 4, 3]);
    const anchor = main.constant('f32', [4, 4], Float32Array.from(anchors.flat()));
    const settings = {
      ...{ max_detections: detections, max_classes_per_detection: 1, num_classes: 2 },
      ...{ nms_score_threshold: 0.5, nms_iou_threshold: 0.5 },
      ...{ y_scale: 10, x_scale: 10, h_scale: 5, w_scale: 5 },
      ...more,
    };
    const outputs = main.custom(
      'TFLite_Detection_PostProcess',
      [offset, score, anchor],
      [
        { dtype: 'f32', shape: [1, detections, 4], name: 'boxes' },
        { dtype: 'f32', shape: [1, detections], name: 'classes' },
        { dtype: 'f32', shape: [1, detections], name: 'scored' },
        { dtype: 'f32', shape: [1], name: 'count' },
      ],
      encode(settings),
    );
    for (const output of outputs) main.output(output);
    return model;
  };

  /** What was found, best first: the number of its box, its class and its score. */
  const found = async (model: Model, given: readonly (readonly number[])[]): Promise<number[][]> => {
    const outputs = await model.run({
      offsets: Float32Array.from(offsets.flat()),
      scores: Float32Array.from(given.flat()),
    });
    const values = (name: string): number[] => numbers(outputs[name]!.data);
    return Array.from({ length: values('count')[0]! }, (_, i) => {
      const place = values('boxes').slice(4 * i, 4 * i + 4);
      const box = boxes.findIndex((one) => one.every((side, k) => Math.abs(side - place[k]!) < 1e-6));
      return [box, values('classes')[i]!, Math.round(100 * values('scored')[i]!) / 100];
    });
  };

  it.each([
    [
      'a box is left out where a better one of any class overlaps it',
      {},
      [
        [0, 0, 0.9],
        [2, 1, 0.7],
        [3, 1, 0.6],
      ],
    ],
    [
      'of each class by itself',
      { use_regular_nms: true, detections_per_class: 2 },
      [
        [0, 0, 0.9],
        [1, 1, 0.8],
        [2, 1, 0.7],
      ],
    ],
  ])('%s', async (_, more, expected) => {
    const model = await loadMade(postProcess(more));
    expect(model.outputs.map(({ name, shape }) => [name, shape])).toEqual([
      ['boxes', [1, detections, 4]],
      ['classes', [1, detections]],
      ['scored', [1, detections]],
      ['count', [1]],
    ]);
    expect(await model.layers()).toMatchObject([{ type: 'TFLite_Detection_PostProcess', device: 'tflite:cpu' }]);
    expect(await found(model, scores)).toEqual(expected);
    // Below the threshold there is nothing to find, and what was found before is forgotten.
    expect(await found(model, [...Array<number[]>(3).fill([0, 0.4, 0.4]), [0, 0.75, 0]])).toEqual([[3, 0, 0.75]]);
    expect(await found(model, Array<number[]>(4).fill([1, 0, 0]))).toEqual([]);
    expect(await found(model, scores)).toEqual(expected);
  });
});

describe('an operator that this TFLite does not have is named', () => {
  it.each([
    ['XNNPACK', {}],
    ['the built-in kernels', builtIn],
  ])('a custom one: %s', async (_, options) => {
    const model = new Tflite();
    const x = model.main.input('x', 'f32', [1]);
    const [y] = model.main.custom('MyOwnOperator', [x], [{ dtype: 'f32', shape: [1], name: 'y' }], encode({ a: 1 }));
    model.main.output(y!);
    const error = await rejection(loadMade(model, options));
    expect(error).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringContaining("'MyOwnOperator'") as string,
      remedy: expect.stringMatching(/./) as string,
    });
  });

  it('a version that is newer than the kernel', async () => {
    const model = new Tflite();
    const x = model.main.input('x', 'f32', [1]);
    model.main.output(model.main.op('EXP', [x], { dtype: 'f32', shape: [1], name: 'y' }, undefined, 99));
    const error = await rejection(load(model.build()));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining("'EXP'") as string });
  });

  it('that of another accelerator’s compiler', async () => {
    const model = new Tflite();
    const x = model.main.input('x', 'f32', [1]);
    const [y] = model.main.custom(
      'edgetpu-custom-op',
      [x],
      [{ dtype: 'f32', shape: [1], name: 'y' }],
      encode({ a: 1 }),
    );
    model.main.output(y!);
    const error = await rejection(loadMade(model));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining('Edge TPU') as string });
  });
});
