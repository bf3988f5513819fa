/** The `isolate` option: how a model's host process is asked for. */
import os from 'node:os';
import { integerOption, invalidOption, oneOf } from './options.js';
import type { NativeIsolate } from './native.js';
import type { IsolateOptions, LoadOptions } from './types.js';

const maxMs = 2 ** 31 - 1;

function parse(given: IsolateOptions): Omit<NativeIsolate, 'alone' | 'adopt' | 'trial'> {
  if (given.retry !== undefined && typeof given.retry !== 'boolean') {
    throw invalidOption('isolate.retry', 'true or false', given.retry);
  }
  return {
    hangTimeoutMs: integerOption('isolate.hangTimeoutMs', given.hangTimeoutMs, 1, maxMs, 2000),
    firstRunTimeoutMs: integerOption('isolate.firstRunTimeoutMs', given.firstRunTimeoutMs, 1, maxMs, 20_000),
    maxMemory: integerOption('isolate.maxMemory', given.maxMemory, 1 << 20, Number.MAX_SAFE_INTEGER, 0),
    retry: given.retry ?? false,
    strict: oneOf('isolate.sandbox', given.sandbox, ['basic', 'strict'], 'basic') === 'strict',
  };
}

/**
 * Devices that serve one process at a time, and whose driver may end the process that it runs in: isolated unless the
 * caller says otherwise, and all models of one in one host.
 */
const delicate = /^tflite:edgetpu(?::|$)/;

/** Throws where the option is wrong. */
export function checkIsolate({ isolate }: LoadOptions): void {
  if (isolate === undefined || typeof isolate === 'boolean') return;
  if (typeof isolate !== 'object' || (isolate as unknown) === null) {
    throw invalidOption('isolate', 'true, false or an object', isolate);
  }
  parse(isolate);
}

/** Null where the model is loaded in this process. Loads that may be given up get a host of their own. */
export function isolateOption(options: LoadOptions, device: string): NativeIsolate | null {
  const isDelicate = delicate.test(device);
  const { isolate = isDelicate } = options;
  if (isolate === false) return null;
  const alone = !isDelicate && (options.signal !== undefined || options.deadlineMs !== undefined);
  return { ...parse(isolate === true ? {} : isolate), alone, adopt: alone, trial: false };
}

/** A stranger's model is loaded and run once in a host that is then thrown away: half of the memory, no files, no network. */
export function probeIsolation(options: LoadOptions): NativeIsolate {
  const given = typeof options.isolate === 'object' ? options.isolate : {};
  const { maxMemory, ...rest } = parse(given);
  return {
    ...rest,
    maxMemory: maxMemory || Math.floor(os.totalmem() / 2),
    retry: false,
    strict: true,
    alone: true,
    adopt: false,
    trial: true,
  };
}

/** An engine is built, and run once, in a host that is then thrown away: one that is no longer wanted can be ended. */
export function buildIsolation(options: LoadOptions): NativeIsolate {
  const given = typeof options.isolate === 'object' ? options.isolate : {};
  return { ...parse(given), retry: false, strict: false, alone: true, adopt: false, trial: true };
}
