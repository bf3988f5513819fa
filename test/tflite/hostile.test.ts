/** TFLite files from strangers: whatever is wrong with them, the answer is a typed error or a sane result, and soon. */
import { InferenceError } from '../../lib/index.js';
import { readTflite } from '../../lib/tflite/read.js';
import { slots } from '../../lib/tflite/schema.js';
import type { TfliteInfo } from '../../lib/tflite/types.js';
import { packedFile } from '../../lib/tflite/zip.js';
import { flatbuffer, int32, int32s, int8, tables, text, type Fields } from '../support/flatbuffer.js';
import { thrown } from '../support/wait.js';
import { compiledTflite, packedTflite, richTflite } from './models.js';

// As JSON: a file of a few kilobytes that says more than this was unfolded.
const mostText = 1 << 20;

/** What it says, or null where it is refused. Fails for an error of any other kind, or too much of a result. */
function readHostile(bytes: Uint8Array): TfliteInfo | null {
  try {
    const info = readTflite(bytes);
    const { length } = JSON.stringify(info);
    if (length > mostText) throw new Error(`${bytes.length} bytes became ${length} characters`);
    return info;
  } catch (error) {
    if (!(error instanceof InferenceError)) throw error;
    if (error.code !== 'ERR_INVALID_MODEL' || error.remedy === '') throw error;
    return null;
  }
}

function unpackHostile(bytes: Uint8Array): void {
  for (const { name } of readHostile(bytes)?.files ?? []) {
    try {
      packedFile(bytes, name);
    } catch (error) {
      if (!(error instanceof InferenceError) || error.remedy === '') throw error;
    }
  }
}

const models: [string, Uint8Array][] = [
  ['something of everything', richTflite()],
  ['packed files', packedTflite()],
  ['compiled', compiledTflite()],
];

describe.each(models)('%s', (_, model) => {
  test('cut off at every length', () => {
    const whole = readTflite(model);
    for (let length = 0; length < model.length; length++) {
      const cut = model.subarray(0, length);
      unpackHostile(cut);
      const info = readHostile(cut);
      // What is not there is never made up: the file is refused, or only its end was lost, where nothing is read.
      if (info !== null) expect({ ...info, size: whole.size, files: whole.files }).toEqual(whole);
    }
    expect(thrown(() => readTflite(model.subarray(0, 100)))).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });

  test('every bit flipped', () => {
    const copy = model.slice();
    for (let bit = 0; bit < 8 * copy.length; bit++) {
      copy[bit >> 3]! ^= 1 << (bit & 7);
      unpackHostile(copy);
      copy[bit >> 3]! ^= 1 << (bit & 7);
    }
    expect(copy).toEqual(model);
  });

  test('every byte, and every number, at its extremes', () => {
    const copy = model.slice();
    const data = new DataView(copy.buffer);
    for (let at = 0; at < copy.length; at++) {
      const kept = copy[at]!;
      for (const value of [0, 0x7f, 0x80, 0xff]) {
        copy[at] = value;
        unpackHostile(copy);
      }
      copy[at] = kept;
    }
    for (let at = 0; at + 4 <= copy.length; at += 4) {
      const kept = data.getUint32(at, true);
      for (const value of [0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, copy.length, copy.length - at]) {
        data.setUint32(at, value, true);
        unpackHostile(copy);
      }
      data.setUint32(at, kept, true);
    }
    expect(copy).toEqual(model);
  });
});

// Where a list of bytes starts: the number before it is its length.
const sevens = Buffer.alloc(64, 7);
test.each<[string, Uint8Array, Uint8Array, number]>([
  ['a metadata entry', richTflite(), Uint8Array.of(0, 1, 2, 255), 0],
  ['a package in the options', compiledTflite(), Buffer.from('DWN1'), 4],
  ['parameters in a package', compiledTflite(), sevens, 0],
])('%s that is longer than the file', (_, model, start, ahead) => {
  const at = Buffer.from(model).indexOf(start) - ahead - 4;
  const copy = model.slice();
  const data = new DataView(copy.buffer);
  const length = data.getUint32(at, true);
  expect(length).toBeLessThan(model.length); // it is the length
  for (const longer of [model.length, 0x7fffffff, 0xffffffff]) {
    data.setUint32(at, longer, true);
    expect(thrown(() => readTflite(copy))).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  }
  data.setUint32(at, length, true);
  expect(readTflite(copy)).toEqual(readTflite(model));
});

/** A model around a list of tensors. */
function modelWith(graph: Fields, more: Fields = {}): Uint8Array {
  return flatbuffer({ [slots.model.version]: int32(3), [slots.model.subgraphs]: tables([graph]), ...more }, 'TFL3');
}

describe('files that unfold', () => {
  // A list of 20,000 elements, every one of which leads to the same table with a text of 20,000 letters.
  const count = 20_000;
  const long = 'x'.repeat(count);

  /** The file with all elements of its longest list of offsets leading to where the first one does. */
  function folded(model: Uint8Array): Uint8Array {
    const copy = model.slice();
    const data = new DataView(copy.buffer);
    for (let at = 0; at + 4 <= copy.length; at += 4) {
      if (data.getUint32(at, true) !== count || copy[at + 4] === long.charCodeAt(0)) continue;
      const first = at + 4 + data.getUint32(at + 4, true);
      for (let i = 0; i < count; i++) data.setUint32(at + 4 + 4 * i, first - (at + 4 + 4 * i), true);
      return copy;
    }
    throw new Error('There is no such list.');
  }

  const few = (fields: Fields): Fields[] => [fields, ...Array.from({ length: count - 1 }, () => ({}))];
  const lists: [string, Uint8Array][] = [
    [
      'operators',
      modelWith(
        {},
        { [slots.model.operatorCodes]: tables(few({ [slots.operatorCode.custom]: text(long), 3: int32(32) })) },
      ),
    ],
    ['signatures', modelWith({}, { [slots.model.signatures]: tables(few({ [slots.signature.key]: text(long) })) })],
    [
      'variables',
      modelWith({
        [slots.subgraph.tensors]: tables(
          few({
            [slots.tensor.name]: text(long),
            [slots.tensor.isVariable]: int8(1),
          }),
        ),
      }),
    ],
  ];

  test.each(lists)('%s', (_, model) => {
    expect(() => readTflite(model)).not.toThrow();
    expect(thrown(() => readTflite(folded(model)))).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message: 'The model is damaged: its parts overlap.',
    });
  });

  test('an input that is listed again and again', () => {
    const listed = (times: number): Uint8Array =>
      modelWith({
        [slots.subgraph.tensors]: tables([{ [slots.tensor.name]: text(long) }]),
        [slots.subgraph.inputs]: int32s(new Array<number>(times).fill(0)),
      });
    expect(readTflite(listed(2)).graphs[0]!.inputs).toHaveLength(2);
    expect(thrown(() => readTflite(listed(1000)))).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });
});
