/** What a backend brings to the conformance suite, and what the suite's files share. */
import { InferenceError, loadModel, type InferenceRequest, type Model } from '../../../lib/index.js';
import type { Dtype, LoadOptions, ModelSource, Shape, TensorData } from '../../../lib/types.js';
import { until } from '../../support/wait.js';

export interface Loadable {
  readonly source: ModelSource;
  readonly options?: LoadOptions;
}

/** Models that a backend makes for the suite. Inputs are called x, outputs y, unless said otherwise. */
export interface ConformanceModels {
  /** y = x, any dtype; −1 in a shape is a dimension that the run decides. */
  identity(dtype: Dtype, shape: Shape, names?: readonly [string, string]): Loadable;
  /** y = x + number, f32. */
  add(number: number, shape: Shape): Loadable;
  /** a f32 [2, 2], b i32 [3] -> p = a + 1, q = b, in this order. */
  pair(): Loadable;
  /** x f32 [length] -> y i64: the indices of the elements that are not 0, [n] or [1, n]. Absent where an SDK has no such. */
  nonzero?(length: number): Loadable;
  /** y = x + 1, f32 [1], in a third of a second to two: long enough to be met while it runs, on a busy machine too. */
  slow(): Loadable;
  /** The same in five seconds or more. */
  long(): Loadable;
}

export interface ConformanceBackend {
  /** As `loadModel` takes it, and as `model.info` shows it. */
  readonly device: string;
  readonly models: ConformanceModels;
  /** For every load of the suite. */
  readonly options?: LoadOptions;
  /** False where the device has no asynchronous start of its own. */
  readonly async?: boolean;
  /** Those that the SDK's tensors can have; default: all. */
  readonly dtypes?: readonly Dtype[];
  /** False where the device itself moves outputs whose shape depends on the data, and nothing is copied. */
  readonly copiesUnknownShapes?: boolean;
  /** False where the SDK does not work in the request's memory: what goes in and out is copied, and counted. */
  readonly inPlace?: boolean;
  /** Instead of the dtype's extremes, where the device itself cannot hold them: say why where it is set. */
  readonly edges?: Partial<Record<Dtype, TensorData>>;
}

/** What the SDK copies of these bytes on their way into its own memory, or out of it. */
export function copiedBySdk(backend: ConformanceBackend, bytes: number): number {
  return backend.inPlace === false ? bytes : 0;
}

/** `it` for outputs whose shape depends on the data; nothing where the backend has none. */
export function itWhereShapesDependOnData(
  backend: ConformanceBackend,
): (name: string, test: () => Promise<void>) => void {
  return backend.models.nonzero === undefined ? () => undefined : (name, test) => it(name, test);
}

/** Loads for one test file; everything is disposed after each test. */
export class Loader {
  readonly #open: Model[] = [];

  constructor(readonly backend: ConformanceBackend) {
    afterEach(() => this.close());
  }

  async load({ source, options }: Loadable, more: LoadOptions = {}): Promise<Model> {
    const model = await this.loadUntracked({ source, ...(options === undefined ? {} : { options }) }, more);
    this.#open.push(model);
    return model;
  }

  /** The caller disposes of it, or lets it be collected. */
  loadUntracked({ source, options }: Loadable, more: LoadOptions = {}): Promise<Model> {
    return loadModel(source, { device: this.backend.device, ...this.backend.options, ...options, ...more });
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 })));
  }
}

/** The code of an error of ours; other errors are thrown on. */
export function codeOf(error: unknown): string {
  if (!(error instanceof InferenceError)) throw error;
  return error.code;
}

export function isRunning(model: Model, count = 1): Promise<void> {
  return until(() => model.statistics().running === count, `${count} runs in progress`);
}

export function isFree(request: InferenceRequest): Promise<void> {
  return until(() => !request.busy, 'the device to let go of the request');
}

/** A tensor's data by name; a test that asks for what is not there fails. */
export function dataOf(tensors: Readonly<Record<string, { readonly data: TensorData }>>, name: string): TensorData {
  const tensor = tensors[name];
  if (tensor === undefined) throw new Error(`There is no tensor '${name}'.`);
  return tensor.data;
}

/** x, set to one value, as the f32 that it is. */
export function f32Of(tensors: Readonly<Record<string, { readonly data: TensorData }>>, name: string): Float32Array {
  return dataOf(tensors, name) as Float32Array;
}
