/** What a command gives back and how it leaves the program: results, errors, exit codes, tables. */
import type { Quantization, Shape } from '../types.js';
import { UsageError } from './args.js';

/** The documented exit codes. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  unavailable: 3,
  badModel: 4,
  checkFailed: 5,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** An error as `--json` prints it. */
export interface ErrorJson {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

/** What a command has to say. With an `error` the result is printed all the same, and the exit code is the error's. */
export interface Result {
  readonly json: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** What is printed after it, as it comes; with --json each is one line then, and so is the result itself. */
  readonly updates?: AsyncIterable<{ readonly json: Readonly<Record<string, unknown>>; readonly text: string }>;
  readonly failure?: { readonly exitCode: ExitCode; readonly error: ErrorJson } | undefined;
}

/** An error that a model's loading ended with: some codes mean another thing there. */
export class LoadFailure extends Error {
  readonly error: unknown;

  constructor(error: unknown) {
    super('The model did not load.');
    this.error = error;
  }
}

interface Coded {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly remedy?: unknown;
  readonly cause?: unknown;
}

function unwrapped(thrown: unknown): unknown {
  return thrown instanceof LoadFailure ? thrown.error : thrown;
}

function coded(thrown: unknown): Coded {
  const error = unwrapped(thrown);
  return typeof error === 'object' && error !== null ? error : { message: String(error) };
}

const byCode: Readonly<Record<string, ExitCode>> = {
  ERR_INVALID_ARGUMENT: exitCodes.usage,
  ERR_UNAVAILABLE: exitCodes.unavailable,
  ERR_DEVICE_BUSY: exitCodes.unavailable,
  ERR_DEVICE_LOST: exitCodes.unavailable,
  ERR_MODEL_NOT_FOUND: exitCodes.badModel,
  ERR_INVALID_MODEL: exitCodes.badModel,
};

export function exitCodeOf(thrown: unknown): ExitCode {
  const code = String(coded(thrown).code);
  if (thrown instanceof LoadFailure && code === 'ERR_UNSUPPORTED') return exitCodes.badModel;
  return byCode[code] ?? exitCodes.failed;
}

/** Errors without a code are mistakes of this program. `usage` is the remedy where the command line is wrong. */
export function errorJson(thrown: unknown, usage = ''): ErrorJson {
  const { code, message, remedy } = coded(thrown);
  const known = typeof code === 'string';
  return {
    code: known ? code : 'ERR_INTERNAL',
    message: typeof message === 'string' ? message : '',
    remedy:
      typeof remedy === 'string'
        ? remedy
        : thrown instanceof UsageError
          ? `Usage: ${usage}`
          : known
            ? ''
            : 'Report it, with what `edge-infer doctor --report FILE` writes.',
  };
}

/** An error for people: the message, the SDK's own words, what to do. `usage` is added where the command line is wrong. */
export function errorText(thrown: unknown, usage: string): string {
  const { code, cause } = coded(thrown);
  const { message, remedy } = errorJson(thrown, usage);
  const lines = [`edge-infer: ${message}`];
  const words = cause instanceof Error ? cause.message : typeof cause === 'string' ? cause : '';
  if (words !== '' && !message.includes(words)) lines.push(indent(words.trim()));
  if (remedy !== '') lines.push(thrown instanceof UsageError ? remedy : indent(remedy));
  const error = unwrapped(thrown);
  if (typeof code !== 'string' && error instanceof Error) lines.push(error.stack ?? '');
  return lines.join('\n');
}

export function indent(text: string, by = '  '): string {
  return text.replace(/^(?=.)/gm, by);
}

/** Columns as wide as their widest cell. Lines do not end in blanks. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `1x3x?x224`; `scalar`; `?` where even the rank is unknown. */
export function shapeText(shape: Shape | null): string {
  if (shape === null) return '?';
  if (shape.length === 0) return 'scalar';
  return shape.map((dimension) => (dimension < 0 ? '?' : String(dimension))).join('x');
}

/** `0.0078125 · (q − 128)`; for many pairs their number and the first. */
export function quantizationText(quantization: Quantization | null | undefined): string {
  const [scale] = quantization?.scale ?? [];
  const [zeroPoint] = quantization?.zeroPoint ?? [];
  if (quantization === null || quantization === undefined || scale === undefined || zeroPoint === undefined) return '';
  // Scales are f32: seven digits say all of them that means something.
  const formula = `${Number(scale.toPrecision(7))} · (q ${zeroPoint < 0 ? '+' : '−'} ${Math.abs(zeroPoint)})`;
  if (quantization.axis === null) return formula;
  return `${formula}, … (${quantization.scale.length} along axis ${quantization.axis})`;
}

/** Milliseconds with a unit that suits their size. */
export function durationText(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return '–';
  if (milliseconds < 0.9995) return `${(milliseconds * 1000).toPrecision(3)} µs`;
  if (milliseconds < 999.5) return `${fixed(milliseconds)} ms`;
  return `${fixed(milliseconds / 1000)} s`;
}

/** About four significant digits, never in exponent notation. */
export function fixed(value: number): string {
  const digits = Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 100 ? 1 : Math.abs(value) >= 10 ? 2 : 3;
  return value.toFixed(digits);
}

export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [unit, size]: [string, number] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
  return `${(bytes / size).toFixed(1)} ${unit}`;
}
