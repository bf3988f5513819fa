/** The models that these tests read. */
import { compiledOf, quantizedAddTflite } from '../support/edgetpu.js';
import { int32 } from '../support/flatbuffer.js';
import { options, Tflite } from '../support/tflite.js';
import { withFiles } from '../support/zip.js';

/** A model with something of everything. */
export function richTflite(): Uint8Array {
  const model = new Tflite('something of everything');
  const { main } = model;
  const image = main.input('image', 'u8', [-1, 3], {
    quantization: { scale: [0.5], zeroPoint: [10], axis: null },
    firstShape: [4, 3],
  });
  const pixels = main.op('DEQUANTIZE', [image], { dtype: 'f32', shape: [-1, 3] });
  const packed = main.constant('i8', [2, 3], Int8Array.of(1, 2, 3, -4, 5, -6), {
    name: 'weights',
    quantization: { scale: [0.5, 0.25], zeroPoint: [0, 0], axis: 0 },
  });
  const weights = main.op('DEQUANTIZE', [packed], { dtype: 'f32', shape: [2, 3] }, undefined, 5);
  const scores = main.op('FULLY_CONNECTED', [pixels, weights, null], { dtype: 'f32', shape: [-1, 2], name: 'scores' }, [
    8,
    {},
  ]);
  main.output(scores);
  main.output(packed);

  const second = model.graph('second');
  const x = second.input('x', 'f32', [1, 2]);
  const one = second.constant('f32', [2, 2], Float32Array.of(1, 0, 0, 1));
  const time = second.constant('f32', [2, 3], new Float32Array(6).fill(1));
  const state = second.variable('f32', [1, 6], { name: 'state' });
  const kept = second.op('SVDF', [x, one, time, null, state], { dtype: 'f32', shape: [1, 2], name: 'kept' }, [
    6,
    { 0: int32(1) },
  ]);
  second.output(second.op('MUL', [kept, kept], { dtype: 'f32', shape: [1, 2], name: 'square' }, options.mul));

  model.signature('serving_default', { picture: image }, { result: scores });
  model.signature('step', { value: x }, { next: kept }, 1);
  model.metadata('min_runtime_version', Buffer.from('1.5.0\0\0'));
  model.metadata('BYTES', Uint8Array.of(0, 1, 2, 255));
  return model.build();
}

export const labels = 'background\ncat\nhot dog\ngrößer\n'.repeat(20);

/** The same with packed files. */
export function packedTflite(): Uint8Array {
  return withFiles(richTflite(), [
    { name: 'labels.txt', content: Buffer.from(labels) },
    { name: 'größe/vocabulary.txt', content: Buffer.from('a b c'), method: 'stored' },
    { name: 'empty.txt', content: new Uint8Array(0) },
  ]);
}

/** A compiled model whose parameters are in part cached, in part streamed. */
export function compiledTflite(): Uint8Array {
  return compiledOf(quantizedAddTflite('i8', 5, [1, 2, 3, 5]), {
    cachedBytes: 1000,
    streamedBytes: 200,
    scratchBytes: 64,
    cachingToken: 0xfedcba9876543210n,
    modelId: 'model 7',
  });
}
