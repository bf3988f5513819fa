/** A loaded model: runs, requests, streams, statistics, disposal. */
import { checkInput, viewOf, elementCount } from './dtypes.js';
import { InferenceError, fromNative } from './errors.js';
import {
  answerNow,
  call,
  expectAnswer,
  forget,
  guarded,
  timingsFrom,
  type NativeModel,
  type NativeRunResult,
} from './native.js';
import { abortReason, deadlineOption, invalidOption, signalOption } from './options.js';
import { InferenceRequest, orderShapes } from './request.js';
import { asyncDisposeSymbol } from './symbols.js';
import { runStream } from './stream.js';
import type {
  DeviceStatus,
  Dtype,
  HostStatus,
  Inputs,
  LayerInfo,
  ModelInfo,
  Outputs,
  RunOptions,
  Shape,
  Statistics,
  StreamOptions,
  StreamResult,
  Tensor,
  TensorSpec,
  Timings,
} from './types.js';

const timingsByOutputs = new WeakMap<Outputs, Timings>();

/** Where the time of a `model.run` went, by its result. */
export function timingsOf(outputs: Outputs): Timings {
  const timings = timingsByOutputs.get(outputs);
  if (timings === undefined) {
    throw new InferenceError('ERR_INVALID_ARGUMENT', 'Expected the result of model.run().', {
      remedy: 'Pass the object itself, not a copy. Requests have `request.timings`.',
    });
  }
  return timings;
}

/** The native side of a model, for who makes a model of models. */
export let nativeModelOf: (model: Model) => NativeModel;

export class Model {
  static {
    nativeModelOf = (model) => model.#native;
  }

  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly info: ModelInfo;

  readonly #native: NativeModel;
  // Weak: a request that its holder forgot is collected, views and all.
  readonly #requests = new Set<WeakRef<InferenceRequest>>();
  #disposal: Promise<void> | null = null;
  #disposalToken = 0;
  #dropped = 0;

  /** @internal Use `loadModel()`. */
  constructor(nativeModel: NativeModel, info: ModelInfo) {
    this.#native = nativeModel;
    this.info = info;
    this.inputs = nativeModel.inputs.map((spec) => ({ ...spec, dtype: spec.dtype as Dtype }));
    this.outputs = nativeModel.outputs.map((spec) => ({ ...spec, dtype: spec.dtype as Dtype }));
  }

  /**
   * Runs once with these inputs; they are copied before this returns. The outputs belong to the caller.
   * The copies cost time: for large tensors, or many runs, use `createRequest()`.
   */
  run(inputs: Inputs, options?: RunOptions): Promise<Outputs> {
    return new Promise((resolve, reject) => {
      if (this.#disposal !== null) throw disposedModel();
      const deadlineMs = deadlineOption(options?.deadlineMs);
      const signal = signalOption(options?.signal);
      if (signal?.aborted === true) return reject(abortReason(signal));
      const { data, shapes } = this.#gather(inputs);
      const onAbort = (): void => {
        if (!forget(token)) return;
        this.#native.cancel(token);
        reject(abortReason(signal!));
      };
      const token = expectAnswer({
        resolve: (value) => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.#outputs(value as NativeRunResult));
        },
        reject: (error) => {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      });
      try {
        this.#native.run(token, data, shapes, deadlineMs);
      } catch (error) {
        forget(token);
        throw fromNative(error);
      }
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /**
   * A request of the caller's own, with buffers in native memory: no copies, no allocation per run. Blocks while the SDK
   * makes it: well below a millisecond on an idle CPU, but OpenVINO waits for a run in progress. Make requests before
   * the runs. Models with dynamic inputs need their shapes.
   */
  createRequest(options: { readonly shapes?: Readonly<Record<string, Shape>> } = {}): InferenceRequest {
    if (this.#disposal !== null) throw disposedModel();
    const shapes = orderShapes(this.inputs, options.shapes ?? {}, (spec) => spec.shape);
    const request = guarded(
      () =>
        new InferenceRequest(this, this.#native.createRequest(shapes), this.inputs, this.outputs, this.info.zeroCopy),
    );
    this.#remember(request);
    return request;
  }

  /** Runs every frame of a source; results come in the frames' order. Never holds more frames than it was told to. */
  stream<Frame = Inputs>(
    frames: Iterable<Frame> | AsyncIterable<Frame>,
    options: StreamOptions<Frame> = {},
  ): AsyncGenerator<StreamResult<Frame>, void, undefined> {
    if (this.#disposal !== null) throw disposedModel();
    return runStream(this, frames, options, timingsOf, () => {
      this.#dropped++;
    });
  }

  /**
   * What runs where and in which precision, layer by layer; empty where the SDK does not tell. OpenVINO tells it of models
   * loaded with `profile: true`, by a run of zeros in a request of its own; TensorRT tells no precision
   * where shapes are open, and of an engine that was built elsewhere without detailed profiling verbosity only names.
   */
  async layers(): Promise<LayerInfo[]> {
    if (this.#disposal !== null) throw disposedModel();
    const layers = await call<LayerInfo[]>((token) => this.#native.layers(token));
    const { backend } = this.info;
    return layers.map((layer) => ({ ...layer, device: layer.device === '' ? '' : `${backend}:${layer.device}` }));
  }

  /** Counts and latency distributions since load. */
  statistics(): Statistics {
    return { ...this.#native.statistics(), dropped: this.#dropped };
  }

  /** The host process of a model that was loaded with `isolate`; null for others, and after `dispose()`. */
  host(): HostStatus | null {
    return this.#native.host();
  }

  /** Every device of the model and how it is: more than one with `failover` or a pool. Empty after `dispose()`. */
  devices(): DeviceStatus[] {
    if (this.#disposal !== null) return [];
    const members = this.#native.devices();
    if (members !== null) return members;
    const { running, completed, failed } = this.#native.statistics();
    const runs = completed + failed;
    const status = { tier: 0, state: 'healthy', inFlight: running, runs, failures: failed, losses: 0 } as const;
    return [{ device: this.info.device, ...status, lastError: null }];
  }

  /**
   * Waits for runs in progress, ends waiting ones with `ERR_DISPOSED`, and frees everything. Views of requests are
   * detached at once. With `timeoutMs` it resolves after that time even if a run never ends: the run is then abandoned.
   */
  async dispose(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const { timeoutMs } = options;
    if (timeoutMs !== undefined && (typeof timeoutMs !== 'number' || !(timeoutMs >= 0))) {
      throw invalidOption('timeoutMs', 'a number of milliseconds that is not negative', timeoutMs);
    }
    this.#disposal ??= call((token) => {
      this.#disposalToken = token;
      for (const reference of this.#requests) reference.deref()?.dispose();
      this.#requests.clear();
      this.#native.dispose(token);
    });
    if (timeoutMs === undefined) return this.#disposal;
    const giveUp = (): void => {
      this.#native.abandon();
      answerNow(this.#disposalToken); // what never ends keeps neither callers nor the process waiting
    };
    const timer = setTimeout(giveUp, Math.min(timeoutMs, 2 ** 31 - 1));
    await this.#disposal;
    clearTimeout(timer);
  }

  [asyncDisposeSymbol](): Promise<void> {
    return this.dispose();
  }

  #gather(inputs: Inputs): { data: Uint8Array[]; shapes: number[][] } {
    if (typeof inputs !== 'object' || inputs === null || ArrayBuffer.isView(inputs)) {
      throw new InferenceError('ERR_INVALID_TENSOR', 'Expected the inputs as an object by name.', {
        remedy: `Pass { ${this.inputs.map((spec) => JSON.stringify(spec.name)).join(', ')} }.`,
      });
    }
    for (const name of Object.keys(inputs)) {
      if (this.inputs.some((spec) => spec.name === name)) continue;
      throw new InferenceError('ERR_INVALID_TENSOR', `The model has no input '${name}'.`, {
        remedy: `Its inputs are: ${this.inputs.map((spec) => spec.name).join(', ')}.`,
      });
    }
    const data: Uint8Array[] = [];
    const shapes: number[][] = [];
    for (const spec of this.inputs) {
      const own = Object.prototype.hasOwnProperty.call(inputs, spec.name);
      const { bytes, shape } = checkInput(spec, own ? inputs[spec.name] : undefined);
      data.push(bytes);
      shapes.push(shape as number[]);
    }
    return { data, shapes };
  }

  #outputs(result: NativeRunResult): Outputs {
    const outputs = Object.create(null) as Record<string, Tensor>;
    this.outputs.forEach(({ name, dtype }, i) => {
      const output = result.outputs[i];
      if (output === undefined) return;
      outputs[name] = { data: viewOf(dtype, output.data, elementCount(output.shape)), shape: output.shape, dtype };
    });
    timingsByOutputs.set(outputs, timingsFrom(result.timings));
    return outputs;
  }

  #remember(request: InferenceRequest): void {
    for (const reference of this.#requests) if (reference.deref() === undefined) this.#requests.delete(reference);
    this.#requests.add(new WeakRef(request));
  }
}

function disposedModel(): InferenceError {
  return new InferenceError('ERR_DISPOSED', 'The model is disposed.', { remedy: 'Load it again.' });
}
