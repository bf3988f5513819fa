/** The command line: what a command takes, how its words are parsed, and the values that options carry. */
import { parseArgs } from 'node:util';
import type { Shape } from '../types.js';

/** The command line itself is wrong: exit code 2. */
export class UsageError extends Error {
  readonly code = 'ERR_INVALID_ARGUMENT';
  override readonly name = 'UsageError';
}

export interface Option {
  /** What stands for the value in help texts; options without it are flags. */
  readonly value?: string;
  /** One letter, for `-o`. */
  readonly short?: string;
  readonly help: string;
  readonly multiple?: boolean;
}

export type OptionTable = Readonly<Record<string, Option>>;

/** What `Args` needs to know of a command. */
export interface Syntax {
  /** Positional arguments in order; `[ID]` in brackets may be left out. */
  readonly positionals: readonly string[];
  readonly options: OptionTable;
}

/** Options that every command takes. */
export const commonOptions: OptionTable = {
  json: { help: 'print the result as JSON on stdout; messages go to stderr' },
  help: { help: 'print what this command does' },
};

/** A command's words, parsed. Values are checked when they are asked for; what is wrong is a `UsageError`. */
export class Args {
  readonly #values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly #positionals: readonly string[];

  constructor(words: readonly string[], syntax: Syntax) {
    const options: Record<string, { type: 'string' | 'boolean'; multiple: boolean; short?: string }> = {};
    for (const [name, option] of Object.entries({ ...commonOptions, ...syntax.options })) {
      const { value, short, multiple = false } = option;
      options[name] = {
        type: value === undefined ? 'boolean' : 'string',
        multiple,
        ...(short !== undefined && { short }),
      };
    }
    let parsed;
    try {
      parsed = parseArgs({ args: [...words], options, allowPositionals: true, strict: true });
    } catch (error) {
      // Node's further sentences advise on positionals that begin with a hyphen.
      const message = (error as Error).message.split(/\.\s|\n/)[0] ?? '';
      throw new UsageError(`${message.replace(/\.$/, '')}.`);
    }
    const { positionals } = parsed;
    const missing = syntax.positionals.filter((name) => !name.startsWith('['))[positionals.length];
    if (missing !== undefined && parsed.values.help !== true) throw new UsageError(`Missing argument ${missing}.`);
    const excess = positionals[syntax.positionals.length];
    if (excess !== undefined) throw new UsageError(`Unexpected argument '${excess}'.`);
    this.#values = parsed.values;
    this.#positionals = positionals;
  }

  positional(index: number): string | undefined {
    return this.#positionals[index];
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    if (value === '') throw new UsageError(`Expected --${name} to have a value.`);
    return typeof value === 'string' ? value : undefined;
  }

  texts(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
  }

  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw new UsageError(`Expected --${name} to be ${choices.join(' or ')}, got '${value}'.`);
    return choice;
  }

  integer(name: string, minimum: number, maximum = Number.MAX_SAFE_INTEGER): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (!/^[+-]?\d+$/.test(value) || !Number.isSafeInteger(number) || number < minimum || number > maximum) {
      const range = maximum === Number.MAX_SAFE_INTEGER ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`;
      throw new UsageError(`Expected --${name} to be a whole number ${range}, got '${value}'.`);
    }
    return number;
  }

  /** A number above 0. */
  positive(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = parseDecimal(value);
    if (number === null || number <= 0)
      throw new UsageError(`Expected --${name} to be a number above 0, got '${value}'.`);
    return number;
  }

  /** A number of at least 0, also as `1e-4`. */
  number(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const [, mantissa = '', exponent = '0'] = /^([\d.]+)(?:e([+-]?\d{1,3}))?$/i.exec(value) ?? [];
    const number = parseDecimal(mantissa) === null ? NaN : Number(`${mantissa}e${exponent}`);
    if (!Number.isFinite(number)) {
      throw new UsageError(`Expected --${name} to be a number of at least 0, such as 1e-4, got '${value}'.`);
    }
    return number;
  }

  /** Milliseconds of a duration such as `10`, `10s`, `500ms`, `2m`; a bare number counts seconds. */
  duration(name: string): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const milliseconds = parseDuration(value, 's');
    if (milliseconds === null || milliseconds <= 0) {
      throw new UsageError(`Expected --${name} to be a duration such as 10s or 500ms, got '${value}'.`);
    }
    return milliseconds;
  }

  /** `KEY=VALUE` options, split at the first `=`. */
  pairs(name: string): [string, string][] {
    return this.texts(name).map((word) => {
      const at = word.indexOf('=');
      if (at <= 0) throw new UsageError(`Expected --${name} to be NAME=VALUE, got '${word}'.`);
      return [word.slice(0, at), word.slice(at + 1)];
    });
  }

  /** `NAME=1x3x224x224` options. A tensor's name may contain `=`, a shape never does: split at the last one. */
  shapes(name: string): Map<string, Shape> {
    const shapes = new Map<string, Shape>();
    for (const word of this.texts(name)) {
      const at = word.lastIndexOf('=');
      const shape = at < 0 ? null : parseShape(word.slice(at + 1));
      if (shape === null) throw new UsageError(`Expected --${name} to be NAME=1x3x224x224, got '${word}'.`);
      const tensor = word.slice(0, at);
      if (shapes.has(tensor)) throw new UsageError(`Expected one --${name} for '${tensor}', got two.`);
      shapes.set(tensor, shape);
    }
    return shapes;
  }
}

function parseDecimal(text: string): number | null {
  return /^\d+(\.\d*)?$|^\.\d+$/.test(text) && Number.isFinite(Number(text)) ? Number(text) : null;
}

/** Milliseconds, or null where the text is no duration. `bare` is the unit of a number without one. */
export function parseDuration(text: string, bare: 'ms' | 's' | 'none'): number | null {
  const match = /^([\d.]+)(us|ms|s|m)?$/.exec(text);
  const number = parseDecimal(match?.[1] ?? '');
  const unit = match?.[2] ?? bare;
  if (number === null || unit === 'none') return null;
  return number * { us: 1e-3, ms: 1, s: 1000, m: 60_000 }[unit as 'us' | 'ms' | 's' | 'm'];
}

/** Dimensions separated by `x` or `,`; nothing or `scalar` is a scalar; null where the text is no shape. */
export function parseShape(text: string): Shape | null {
  if (text === '' || text === 'scalar') return [];
  const shape = text.split(/[x,]/);
  return shape.every((dimension) => /^\d{1,15}$/.test(dimension)) ? shape.map(Number) : null;
}
