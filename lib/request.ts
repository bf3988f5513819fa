/** One inference slot in the caller's hand: its buffers are native memory, read and written in place. */
import { acceptsShape, checkShape, elementCount, emptyView, shapeText, viewOf } from './dtypes.js';
import { InferenceError, fromNative } from './errors.js';
import { expectAnswer, forget, guarded, timingsFrom, type NativePort, type NativeRequest } from './native.js';
import { disposeSymbol } from './symbols.js';
import { abortReason, deadlineOption, invalidOption, signalOption } from './options.js';
import type { Model } from './model.js';
import type { Dtype, LayerTime, RunOptions, Shape, Tensor, TensorData, TensorSpec, Timings } from './types.js';

/** A tensor of a request. `data` and `shape` change only with `reshape`, and after a run where the shape depends on it. */
class RequestTensor implements Tensor {
  data: TensorData;
  shape: Shape;
  /** Elements that `data` has as long as nobody has transferred it away. */
  count = 0;
  /** Where external ArrayBuffers are forbidden: the JavaScript copy, whose bytes are moved around each run. */
  buffer: ArrayBuffer | null = null;

  constructor(
    readonly name: string,
    readonly dtype: Dtype,
    shape: Shape,
  ) {
    this.data = emptyView(dtype);
    this.shape = shape;
  }

  attach(port: NativePort): void {
    this.buffer = port.buffer;
    if (port.buffer === null || port.shape === null) {
      // Known after the next run. Views of what was there before are detached.
      this.data = emptyView(this.dtype);
      this.count = 0;
      return;
    }
    const count = elementCount(port.shape);
    if (this.data.buffer === port.buffer && this.count === count && sameShape(this.shape, port.shape)) return;
    this.data = viewOf(this.dtype, port.buffer, count);
    this.shape = port.shape;
    this.count = count;
  }
}

function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

function disposed(): InferenceError {
  return new InferenceError('ERR_DISPOSED', 'The request is disposed.', { remedy: 'Create another request.' });
}

/** Orders shapes by the model's inputs; what is not given comes from `fallback`. */
export function orderShapes(
  specs: readonly TensorSpec[],
  shapes: Readonly<Record<string, Shape>>,
  fallback: (spec: TensorSpec, index: number) => Shape | null,
): number[][] {
  if (typeof shapes !== 'object' || shapes === null)
    throw invalidOption('shapes', 'an object of shapes by input', shapes);
  for (const name of Object.keys(shapes)) {
    if (!specs.some((spec) => spec.name === name)) {
      throw new InferenceError('ERR_INVALID_TENSOR', `The model has no input '${name}'.`, {
        remedy: `Its inputs are: ${specs.map((spec) => spec.name).join(', ')}.`,
      });
    }
  }
  return specs.map((spec, index) => {
    const of = `the input '${spec.name}'`;
    const given = Object.prototype.hasOwnProperty.call(shapes, spec.name) ? shapes[spec.name] : fallback(spec, index);
    if (given === null || given === undefined || given.some((dim) => dim < 0)) {
      throw new InferenceError(
        'ERR_INVALID_TENSOR',
        `The shape of ${of}, ${shapeText(spec.shape)}, is not decided yet.`,
        {
          remedy: `Give it: { shapes: { ${JSON.stringify(spec.name)}: [...] } }.`,
        },
      );
    }
    const shape = checkShape(given, of);
    if (!acceptsShape(spec, shape)) {
      throw new InferenceError(
        'ERR_INVALID_TENSOR',
        `Expected ${of} to have the shape ${shapeText(spec.shape)}, got ${shapeText(shape)}.`,
        { remedy: 'Give a shape that the model takes.' },
      );
    }
    return [...shape];
  });
}

export class InferenceRequest {
  /** Kept alive by its requests. */
  readonly model: Model;
  /** By name: write the values of the next run here. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** By name: the results of the last run, valid until the next one starts. */
  readonly outputs: Readonly<Record<string, Tensor>>;

  readonly #native: NativeRequest;
  readonly #specs: readonly TensorSpec[];
  readonly #inputs: readonly RequestTensor[];
  readonly #outputs: readonly RequestTensor[];
  readonly #zeroCopy: boolean;
  /** Outputs may have moved after a run, or must be copied. */
  readonly #refresh: boolean;
  #disposed = false;

  /** @internal Use `model.createRequest()`. */
  constructor(
    model: Model,
    native: NativeRequest,
    inputs: readonly TensorSpec[],
    outputs: readonly TensorSpec[],
    zeroCopy: boolean,
  ) {
    const make = (spec: TensorSpec): RequestTensor => new RequestTensor(spec.name, spec.dtype, spec.shape ?? []);
    this.model = model;
    this.#native = native;
    this.#specs = inputs;
    this.#inputs = inputs.map(make);
    this.#outputs = outputs.map(make);
    this.#zeroCopy = zeroCopy;
    this.#refresh = !zeroCopy || outputs.some((spec) => spec.shape === null || spec.shape.some((dim) => dim < 0));
    this.inputs = byName(this.#inputs);
    this.outputs = byName(this.#outputs);
    this.#attach();
  }

  /**
   * Runs with what is in `inputs`; the results are in `outputs` when the promise resolves. While it runs, and after an
   * abort or a timeout until the device has let go, another run is `ERR_BUSY`.
   */
  run(options?: RunOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#checkUsable();
      if (!this.#zeroCopy) this.#copyIn();
      if (options?.signal === undefined && options?.deadlineMs === undefined) {
        const done = this.#refresh ? () => resolve(this.#readOutputs()) : resolve;
        const token = expectAnswer({ resolve: done, reject, owner: this });
        this.#start(token, -1, done);
      } else {
        this.#runWithin(options, resolve, reject);
      }
    });
  }

  /** Runs on this thread and blocks it: for worker threads and scripts. */
  runSync(): void {
    this.#checkUsable();
    if (!this.#zeroCopy) this.#copyIn();
    try {
      this.#native.runSync();
    } catch (error) {
      throw fromNative(error);
    }
    if (this.#refresh) this.#readOutputs();
  }

  /** A run is waiting or in progress, or was given up and the device has not let go yet. */
  get busy(): boolean {
    return this.#native.busy();
  }

  /** Where the time of the last run went. */
  get timings(): Timings {
    return timingsFrom(this.#native.timings());
  }

  /** Binds other input shapes; those not named stay. The views of the inputs are new ones afterwards. */
  reshape(shapes: Readonly<Record<string, Shape>>): void {
    if (this.#disposed) throw disposed();
    const ordered = orderShapes(this.#specs, shapes, (_, index) => this.#inputs[index]?.shape ?? null);
    guarded(() => {
      this.#native.reshape(ordered);
      this.#attach();
    });
  }

  /**
   * Models with variables of their own (recurrent ones): back to their initial values, before the next sequence. Not
   * during a run (`ERR_BUSY`). Each request has its own variables; `model.run()` takes any of several requests, so use
   * `createRequest()` for such models.
   */
  resetState(): void {
    if (this.#disposed) throw disposed();
    guarded(() => this.#native.resetState());
  }

  /** The time of every layer in the last run, for models loaded with `profile: true`. */
  profile(): LayerTime[] {
    if (this.#disposed) throw disposed();
    return guarded(() => this.#native.profile());
  }

  /** Detaches the views at once; the memory goes when nothing uses it any more. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#native.dispose();
  }

  [disposeSymbol](): void {
    this.dispose();
  }

  #checkUsable(): void {
    if (this.#disposed) throw disposed();
    for (const tensor of this.#inputs) this.#checkView(tensor);
    for (const tensor of this.#outputs) this.#checkView(tensor);
  }

  #checkView(tensor: RequestTensor): void {
    if (tensor.data.length === tensor.count) return;
    throw new InferenceError(
      'ERR_INVALID_TENSOR',
      `The memory of '${tensor.name}' was transferred away from this request.`,
      { remedy: 'Copy the values instead of transferring them, and create another request.' },
    );
  }

  #start(token: number, deadlineMs: number, inlineDone: () => void): void {
    try {
      if (!this.#native.run(token, deadlineMs, deadlineMs < 0)) return;
    } catch (error) {
      forget(token);
      throw fromNative(error);
    }
    forget(token);
    inlineDone();
  }

  #runWithin(options: RunOptions, resolve: () => void, reject: (error: unknown) => void): void {
    const deadlineMs = deadlineOption(options.deadlineMs);
    const signal = signalOption(options.signal);
    if (signal?.aborted === true) return reject(abortReason(signal));
    const onAbort = (): void => {
      if (!forget(token)) return;
      this.#native.cancel(token);
      reject(abortReason(signal!));
    };
    const done = (): void => {
      signal?.removeEventListener('abort', onAbort);
      if (this.#refresh) this.#readOutputs();
      resolve();
    };
    const token = expectAnswer({
      resolve: done,
      reject: (error) => {
        signal?.removeEventListener('abort', onAbort);
        reject(error);
      },
    });
    // A deadline that is for ever still goes to a lane: with a signal, a run must not block this thread.
    this.#start(token, deadlineMs < 0 ? Infinity : deadlineMs, done);
    signal?.addEventListener('abort', onAbort, { once: true });
  }

  #attach(): void {
    this.#native.inputs().forEach((port, i) => this.#inputs[i]?.attach(port));
    this.#native.outputs().forEach((port, i) => this.#outputs[i]?.attach(port));
  }

  #copyIn(): void {
    this.#inputs.forEach((tensor, i) => guarded(() => this.#native.copyIn(i, tensor.buffer!)));
  }

  #readOutputs(): void {
    // Disposed, or started again before this could be told: what is there now is not this run's.
    if (this.#disposed || this.#native.busy()) return;
    this.#native.outputs().forEach((port, i) => {
      this.#outputs[i]?.attach(port);
      if (!this.#zeroCopy && port.buffer !== null) this.#native.copyOut(i, port.buffer);
    });
  }
}

function byName(tensors: readonly RequestTensor[]): Readonly<Record<string, Tensor>> {
  // No prototype: a tensor may be called 'constructor'.
  const record = Object.create(null) as Record<string, Tensor>;
  for (const tensor of tensors) record[tensor.name] = tensor;
  return record;
}
