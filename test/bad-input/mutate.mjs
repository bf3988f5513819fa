// Damages model files: the same seed does the same damage on every machine.
import { randomNumbers } from '../../bench/ir.mjs';

/** Random choices from one seed. */
class Choice {
  constructor(seed) {
    this.next = randomNumbers(seed);
    for (let i = 0; i < 4; i++) this.next(); // neighbouring seeds begin alike
  }

  /** A whole number from 0 to count − 1. */
  below(count) {
    return Math.min(count - 1, Math.floor(((this.next() + 1) / 2) * count));
  }

  of(list) {
    return list[this.below(list.length)];
  }

  /** A place in the file: in its structure every other time. */
  place({ bytes, structure }) {
    if (this.below(2) === 0) return this.below(bytes.length);
    const [start, end] = this.of(structure.ranges);
    return start + this.below(Math.max(1, end - start));
  }

  range(file, longest = 4096) {
    const start = this.place(file);
    return [start, Math.min(file.bytes.length, start + 1 + this.below(longest))];
  }

  fill(bytes) {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.below(256);
    return bytes;
  }
}

const join = (...parts) => Uint8Array.from(Buffer.concat(parts));
const splice = (bytes, start, end, ...parts) => join(bytes.subarray(0, start), ...parts, bytes.subarray(end));

const words = [0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc, 0x40000000];
const numbers = [
  '-1',
  '0',
  '1',
  '7',
  '65536',
  '2147483648',
  '4294967295',
  '9223372036854775807',
  '99999999999999999999',
];
const oddWords = [
  'f32',
  'i64',
  'u4',
  'string',
  'dynamic',
  'NaN',
  '',
  'Parameter',
  'Result',
  'Const',
  'Loop',
  'opset99',
];

/** Each takes {bytes, structure, format} and a Choice, and returns the damaged bytes. */
export const mutations = {
  truncate: ({ bytes }, choice) => bytes.slice(0, choice.below(bytes.length)),
  'flip bits': (file, choice) => {
    const damaged = file.bytes.slice();
    for (let left = choice.of([1, 4, 16, 256]); left > 0; left--) damaged[choice.place(file)] ^= 1 << choice.below(8);
    return damaged;
  },
  'zero a range': (file, choice) => file.bytes.slice().fill(0, ...choice.range(file)),
  'randomise a range': (file, choice) => {
    const damaged = file.bytes.slice();
    choice.fill(damaged.subarray(...choice.range(file)));
    return damaged;
  },
  'duplicate a range': (file, choice) => {
    const [start, end] = choice.range(file);
    return splice(file.bytes, end, end, file.bytes.subarray(start, end));
  },
  'remove a range': (file, choice) => splice(file.bytes, ...choice.range(file)),
  'change a length': ({ bytes, structure, format }, choice) => {
    const at = choice.of(structure.lengths);
    if (format === 'ir') return splice(bytes, ...at, Buffer.from(choice.of(numbers)));
    const damaged = bytes.slice();
    if (format === 'tflite') {
      new DataView(damaged.buffer).setUint32(at, choice.of(words), true);
      return damaged;
    }
    // A varint keeps its size where it can: its first byte changes, or it becomes a very long one.
    if (choice.below(4) > 0) {
      damaged[at] = (damaged[at] & 128) | choice.below(128);
      return damaged;
    }
    return splice(bytes, at, at + 1, Uint8Array.of(0xff, 0xff, 0xff, 0xff, choice.of([0x07, 0x0f, 0x7f])));
  },
  // The file can still be parsed: another number of the same size.
  'change a value': ({ bytes, structure, format }, choice) => {
    const damaged = bytes.slice();
    const [start, end] = choice.of(structure.values);
    if (format === 'tflite') {
      const view = new DataView(damaged.buffer);
      const other = view.getUint32(choice.of(structure.values)[0], true);
      view.setUint32(start, choice.of([view.getUint32(start, true) + choice.of([-4, -1, 1, 4]), other]), true);
    } else {
      for (let at = start; at < end; at++) damaged[at] = (damaged[at] & 128) | choice.below(128);
    }
    return damaged;
  },
  'swap sections': ({ bytes, structure }, choice) => {
    const [[a, b], [c, d]] = choice.of(structure.sections);
    return join(
      bytes.subarray(0, a),
      bytes.subarray(c, d),
      bytes.subarray(b, c),
      bytes.subarray(a, b),
      bytes.subarray(d),
    );
  },
  'drop a section': ({ bytes, structure }, choice) => splice(bytes, ...choice.of(structure.sections)[0]),
  'change a word': ({ bytes, structure }, choice) =>
    splice(bytes, ...choice.of(structure.words), Buffer.from(choice.of(oddWords))),
};

/** The mutations that a file can undergo; those that leave most of it readable reach deeper, and come twice. */
export function possible({ structure }) {
  const gentle = ['change a value', 'change a length', 'change a word', 'flip bits'];
  return [...Object.keys(mutations), ...gentle].filter((name) => {
    if (name === 'change a word') return structure.words !== undefined;
    if (name === 'change a value') return structure.values !== undefined;
    return !/section/.test(name) || structure.sections.length > 0;
  });
}

/** One damaged copy. `file`: {bytes, structure, format}. */
export function mutate(file, mutation, seed) {
  return mutations[mutation](file, new Choice(seed));
}
