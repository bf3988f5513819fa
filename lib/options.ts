/** Checks of option values: wrong ones are named, with what was expected. */
import { describe } from './dtypes.js';
import { InferenceError } from './errors.js';

export function invalidOption(name: string, expected: string, got: unknown): InferenceError {
  return new InferenceError('ERR_INVALID_ARGUMENT', `Expected \`${name}\` to be ${expected}, got ${describe(got)}.`, {
    remedy: 'Correct the option.',
  });
}

/** A whole number in a range, or `fallback` where it is not given. */
export function integerOption(name: string, value: unknown, min: number, max: number, fallback: number): number {
  if (value === undefined) return fallback;
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw invalidOption(name, `a whole number from ${min} to ${max}`, value);
  }
  return value as number;
}

export function booleanOption(name: string, value: unknown, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value !== 'boolean') throw invalidOption(name, 'true or false', value);
  return value;
}

export function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[], fallback: T): T {
  if (value === undefined) return fallback;
  if (!allowed.includes(value as T)) {
    throw invalidOption(name, allowed.map((one) => `'${one}'`).join(' or '), value);
  }
  return value as T;
}

/** Milliseconds until a deadline; −1 where there is none. */
export function deadlineOption(value: unknown): number {
  if (value === undefined) return -1;
  if (typeof value !== 'number' || Number.isNaN(value) || value < 0) {
    throw invalidOption('deadlineMs', 'a number of milliseconds that is not negative', value);
  }
  return value;
}

export function signalOption(value: AbortSignal | undefined): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (typeof value?.addEventListener !== 'function' || typeof value.aborted !== 'boolean') {
    throw invalidOption('signal', 'an AbortSignal', value);
  }
  return value;
}

/** What an aborted caller gets; Node 16's first releases had no `reason`. */
export function abortReason(signal: AbortSignal): unknown {
  const reason = (signal as { reason?: unknown }).reason;
  if (reason !== undefined) return reason;
  const error = new Error('This operation was aborted');
  error.name = 'AbortError';
  return error;
}
