/** The one error class of the API, with stable codes: one code per remedy. */

export type ErrorCode =
  | 'ERR_UNAVAILABLE'
  | 'ERR_MODEL_NOT_FOUND'
  | 'ERR_INVALID_MODEL'
  | 'ERR_INVALID_TENSOR'
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_UNSUPPORTED'
  | 'ERR_PERMISSION'
  | 'ERR_DEVICE_BUSY'
  | 'ERR_DEVICE_LOST'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_TIMEOUT'
  | 'ERR_QUEUE_FULL'
  | 'ERR_BUSY'
  | 'ERR_DISPOSED'
  | 'ERR_BACKEND';

export interface ErrorDetails {
  readonly backend?: string | undefined;
  /** What to do about it, in words. */
  readonly remedy?: string | undefined;
  /** The SDK's own words, or the error underneath. */
  readonly cause?: unknown;
}

export class InferenceError extends Error {
  readonly code: ErrorCode;
  readonly backend: string | undefined;
  readonly remedy: string;
  override readonly cause: unknown;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message);
    this.name = 'InferenceError';
    this.code = code;
    this.backend = details.backend;
    this.remedy = details.remedy ?? '';
    this.cause = details.cause;
  }
}

/** What native code throws or passes to a completion: plain values, so that it survives any realm. */
export interface NativeError {
  readonly edge: true;
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
  readonly backend: string;
  readonly cause: string;
}

/** Makes an error of native code an `InferenceError` with a JavaScript stack; other values pass through. */
export function fromNative(error: unknown): Error {
  const native = error as Partial<NativeError> | null;
  if (native?.edge !== true) return error as Error;
  return new InferenceError(native.code ?? 'ERR_BACKEND', native.message ?? '', {
    backend: native.backend === '' ? undefined : native.backend,
    remedy: native.remedy,
    cause: native.cause === '' ? undefined : native.cause,
  });
}
