/** The error class: its fields, and what native code's plain values become. */
import { fromNative, InferenceError } from '../lib/errors.js';
import { abortReason, deadlineOption, integerOption, oneOf, signalOption } from '../lib/options.js';
import { thrown } from './support/wait.js';

it('is an Error with a code, a remedy, a backend and a cause', () => {
  const cause = new Error('below');
  const error = new InferenceError('ERR_BACKEND', 'It failed.', { backend: 'echo', remedy: 'Try again.', cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({
    name: 'InferenceError',
    message: 'It failed.',
    code: 'ERR_BACKEND',
    backend: 'echo',
    remedy: 'Try again.',
  });
  expect(error.cause).toBe(cause);
  expect(String(error)).toBe('InferenceError: It failed.');
  expect(error.stack).toContain('errors.test');
});

it('details are optional', () => {
  expect(new InferenceError('ERR_BUSY', 'x')).toMatchObject({ remedy: '', backend: undefined, cause: undefined });
});

it('fromNative makes an InferenceError of native code’s values, and leaves others alone', () => {
  const native = {
    edge: true,
    code: 'ERR_DEVICE_LOST',
    message: 'Gone.',
    remedy: 'Plug it in.',
    backend: '',
    cause: '',
  };
  const error = fromNative(native) as InferenceError;
  expect(error).toBeInstanceOf(InferenceError);
  expect(error).toMatchObject({ code: 'ERR_DEVICE_LOST', message: 'Gone.', remedy: 'Plug it in.' });
  expect([error.backend, error.cause]).toEqual([undefined, undefined]);
  expect(fromNative({ ...native, backend: 'echo', cause: 'usb' })).toMatchObject({ backend: 'echo', cause: 'usb' });
  for (const other of [new TypeError('x'), null, undefined, 'text', { code: 'ERR_BUSY' }]) {
    expect(fromNative(other)).toBe(other);
  }
});

it('integerOption', () => {
  expect(integerOption('n', undefined, 1, 5, 3)).toBe(3);
  expect([1, 5].map((value) => integerOption('n', value, 1, 5, 3))).toEqual([1, 5]);
  for (const wrong of [0, 6, 1.5, NaN, Infinity, '3', null, 3n, {}]) {
    expect(thrown(() => integerOption('n', wrong, 1, 5, 3))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/^Expected `n` to be a whole number from 1 to 5, got /),
      remedy: 'Correct the option.',
    });
  }
});

it('oneOf', () => {
  expect(oneOf('o', undefined, ['a', 'b'], 'b')).toBe('b');
  expect(oneOf('o', 'a', ['a', 'b'], 'b')).toBe('a');
  for (const wrong of ['c', '', 'A', 5, null]) {
    expect(thrown(() => oneOf('o', wrong, ['a', 'b'], 'b'))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/^Expected `o` to be 'a' or 'b', got /),
    });
  }
});

it('deadlineOption and signalOption', () => {
  expect(deadlineOption(undefined)).toBe(-1);
  expect([0, 0.5, Infinity].map(deadlineOption)).toEqual([0, 0.5, Infinity]);
  const { signal } = new AbortController();
  expect(signalOption(undefined)).toBeUndefined();
  expect(signalOption(signal)).toBe(signal);
});

it('abortReason is the signal’s own, or an AbortError where a runtime has none', () => {
  const reason = {};
  expect(abortReason(AbortSignal.abort(reason))).toBe(reason);
  expect(abortReason({ aborted: true } as AbortSignal)).toMatchObject({ name: 'AbortError' });
});
