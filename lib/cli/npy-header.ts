/** Parses the header of a `.npy` file: the few forms of a Python literal that NumPy writes there, and nothing else. */

export interface NpyHeader {
  /** NumPy's type, such as `<f4`; null for a structured dtype. */
  readonly descr: string | null;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

// Headers of plain arrays take some 100 bytes; NumPy itself refuses more than 10,000.
const maximumLength = 10_000;
// NumPy's own limit.
const maximumRank = 64;

type Value = string | boolean | number | Value[];

/** Thrown and caught here only. */
class Malformed extends Error {}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The next token that matches, after blanks; null leaves the position as it is. */
  take(pattern: RegExp): string | null {
    const blanks = /\s*/y;
    blanks.lastIndex = this.#at;
    blanks.exec(this.#text);
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = blanks.lastIndex;
    const match = sticky.exec(this.#text);
    if (match === null) return null;
    this.#at = sticky.lastIndex;
    return match[0];
  }

  expect(pattern: RegExp): string {
    const token = this.take(pattern);
    if (token === null) throw new Malformed();
    return token;
  }

  /** A string without escapes, True, False, a whole number (Python 2 writes `3L`), a tuple or a list. */
  value(depth = 0): Value {
    const string = this.take(/'[^'\\\n]*'|"[^"\\\n]*"/);
    if (string !== null) return string.slice(1, -1);
    const word = this.take(/True\b|False\b/);
    if (word !== null) return word === 'True';
    const number = this.take(/[+-]?\d+L?/);
    if (number !== null) return Number(number.replace('L', ''));
    const open = this.expect(/[([]/);
    if (depth > 8) throw new Malformed();
    const close = open === '(' ? /\)/ : /\]/;
    const values: Value[] = [];
    while (this.take(close) === null) {
      values.push(this.value(depth + 1));
      if (this.take(/,/) === null) {
        this.expect(close);
        break;
      }
    }
    return values;
  }
}

function entries(text: string): Map<string, Value> {
  const reader = new Reader(text);
  const found = new Map<string, Value>();
  reader.expect(/\{/);
  while (reader.take(/\}/) === null) {
    const key = reader.value();
    reader.expect(/:/);
    if (typeof key !== 'string' || found.has(key)) throw new Malformed();
    found.set(key, reader.value());
    if (reader.take(/,/) === null) {
      reader.expect(/\}/);
      break;
    }
  }
  reader.expect(/$/);
  return found;
}

/** The header, or in words what is wrong with it. */
export function parseNpyHeader(text: string): NpyHeader | string {
  if (text.length > maximumLength) return `its header has ${text.length} characters, more than ${maximumLength}`;
  let found: Map<string, Value>;
  try {
    found = entries(text);
  } catch (error) {
    if (error instanceof Malformed) return 'its header is malformed';
    throw error;
  }
  const descr = found.get('descr');
  const fortranOrder = found.get('fortran_order');
  const shape = found.get('shape');
  if (found.size !== 3 || descr === undefined || typeof fortranOrder !== 'boolean' || !Array.isArray(shape)) {
    return 'its header does not consist of descr, fortran_order and shape';
  }
  if (typeof descr !== 'string' && !Array.isArray(descr)) return 'its header has a malformed descr';
  if (shape.length > maximumRank) return `its shape has ${shape.length} dimensions, more than ${maximumRank}`;
  for (const dimension of shape) {
    if (typeof dimension !== 'number' || !Number.isSafeInteger(dimension) || dimension < 0) {
      return `its shape has the dimension ${String(dimension)}, which is not a whole number of at least 0`;
    }
  }
  return { descr: typeof descr === 'string' ? descr : null, fortranOrder, shape: shape as number[] };
}
