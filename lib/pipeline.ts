/** `loadPipeline`: a model in segments, each on a device of its own, run as one. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { InferenceError } from './errors.js';
import { common, loadModel } from './load.js';
import { Model, nativeModelOf } from './model.js';
import { guarded, native, type NativeModel } from './native.js';
import { deadlineOption, invalidOption } from './options.js';
import type {
  DeviceStatus,
  Histogram,
  HostStatus,
  LayerInfo,
  LoadOptions,
  ModelInfo,
  ModelSource,
  TensorSpec,
} from './types.js';

/** One segment: a model as `loadModel` takes it, and what is different for it. */
export interface Segment extends Omit<LoadOptions, 'queueLimit' | 'signal' | 'deadlineMs' | 'onProgress' | 'advanced'> {
  /** Several files, each for its device, with `failover`: the compiled one and the one it was compiled from. */
  readonly file: ModelSource;
}

/** What holds for all segments that do not say otherwise, and for the pipeline as a whole. */
export interface PipelineOptions extends Omit<LoadOptions, 'weights' | 'shapes'> {
  /** Frames in the pipeline at once, each with buffers of its own in every segment. Default: one more than segments. */
  readonly inFlight?: number;
}

/** One segment at work. */
export interface SegmentStatus {
  readonly info: ModelInfo;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Frames in it now, and those that wait for their turn. */
  readonly running: number;
  readonly waiting: number;
  /** Frames that it was given, and those of them that failed in it. */
  readonly runs: number;
  readonly failures: number;
  /** How long its runs took, without the wait: the slowest segment limits the throughput. */
  readonly compute: Histogram;
  readonly devices: readonly DeviceStatus[];
  readonly host: HostStatus | null;
}

/**
 * A model in segments: used as any model. A run goes through all segments within its deadline; while one computes a
 * frame, the others compute its neighbours. Between segments nothing is copied where both can use the same memory; what
 * has to be is counted in `statistics().bytesCopied`. Errors of a run name the segment.
 */
export class Pipeline extends Model {
  readonly #models: readonly Model[];
  readonly #native: NativeModel;

  /** @internal Use `loadPipeline()`. */
  constructor(nativeModel: NativeModel, info: ModelInfo, models: readonly Model[]) {
    super(nativeModel, info);
    this.#native = nativeModel;
    this.#models = models;
  }

  /** Every segment as it is now, in order. Empty after `dispose()`. */
  segments(): SegmentStatus[] {
    return (this.#native.segments() ?? []).map((status, i) => {
      const model = this.#models[i]!;
      const { info, inputs, outputs } = model;
      // A model on one device counts the runs of its own session, not those that come from here.
      const { running, runs, failures } = status;
      const devices =
        nativeModelOf(model).devices() ??
        model.devices().map((device) => ({ ...device, inFlight: running, runs, failures }));
      return { info, inputs, outputs, ...status, devices, host: model.host() };
    });
  }

  /** The layers of all segments, in order; see `Model.layers()`. */
  override async layers(): Promise<LayerInfo[]> {
    return (await Promise.all(this.#models.map((model) => model.layers()))).flat();
  }

  /** The devices of all segments, in order. Empty after `dispose()`. */
  override devices(): DeviceStatus[] {
    return this.segments().flatMap(({ devices }) => devices);
  }

  /** Null: every segment may have one, in `segments()`. */
  override host(): null {
    return null;
  }

  /** As `Model.dispose()`, for all segments. */
  override async dispose(options: { readonly timeoutMs?: number } = {}): Promise<void> {
    await Promise.all([super.dispose(options), ...this.#models.map((model) => model.dispose(options))]);
  }
}

function describe(loaded: NativeModel, models: readonly Model[]): ModelInfo {
  const infos = models.map(({ info }) => info);
  const joined = (of: (info: ModelInfo) => string): string => [...new Set(infos.map(of))].join(', ');
  const { inFlight, queueLimit, zeroCopy } = loaded.info;
  const requested = [...new Set(infos.map(({ precision }) => precision.requested))];
  return {
    backend: joined(({ backend }) => backend),
    device: joined(({ device }) => device),
    deviceName: joined(({ deviceName }) => deviceName),
    members: infos.flatMap(({ members }) => members),
    path: null,
    sha256: createHash('sha256')
      .update(infos.map(({ sha256 }) => sha256).join(''))
      .digest('hex'),
    precision: {
      requested: requested.length === 1 ? requested[0]! : 'model',
      actual: joined(({ precision }) => precision.actual),
    },
    versions: { edgeInfer: infos[0]!.versions.edgeInfer, sdk: joined(({ versions }) => versions.sdk) },
    inFlight,
    queueLimit,
    zeroCopy,
    properties: {},
    rejected: infos.flatMap(({ rejected }) => rejected),
    isolated: infos.every(({ isolated }) => isolated),
    loadMs: infos.reduce((sum, { loadMs }) => sum + loadMs, 0),
    fromCache: infos.every(({ fromCache }) => fromCache),
    devices: [...new Set(infos.flatMap(({ devices }) => devices))],
  };
}

function located(error: unknown, index: number, count: number): unknown {
  if (!(error instanceof InferenceError)) return error; // the caller's abort
  const { code, backend, remedy, cause } = error;
  return new InferenceError(code, `Segment ${index + 1} of ${count}: ${error.message}`, { backend, remedy, cause });
}

function checkSegments(segments: unknown): asserts segments is readonly Segment[] {
  if (!Array.isArray(segments) || segments.length === 0) {
    throw invalidOption('segments', 'a list of { file, device }', segments);
  }
  for (const one of segments as unknown[]) {
    if (typeof one !== 'object' || one === null || !('file' in one)) {
      throw invalidOption('segments', 'a list of { file, device }', one);
    }
  }
}

/**
 * Loads the segments of a model, in their order, as one: the files that `edgetpu_compiler --num_segments` writes, or any
 * models of which one takes what another gives. Each is loaded as by `loadModel`, one after the other, on its own device.
 *
 * An input of a segment is the output of the same name of a segment before it, also further before; where no name fits,
 * the only input is the only output of the one before. Inputs that no segment gives are those of the pipeline; its
 * outputs are those that no segment takes. `ERR_INVALID_MODEL` names both segments where dtype, shape or quantization of
 * tensors that meet differ; a segment that cannot be loaded rejects with the error of `loadModel`, and nothing stays.
 */
export async function loadPipeline(segments: readonly Segment[], options: PipelineOptions = {}): Promise<Pipeline> {
  checkSegments(segments);
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options);
  const { inFlight, queueLimit, dispatch, spinUs } = common(options);
  const { inFlight: _, queueLimit: __, advanced: ___, deadlineMs, onProgress, ...shared } = options;
  const limit = deadlineOption(deadlineMs);
  const deadline = performance.now() + limit;
  const models: Model[] = [];
  try {
    for (const [i, { file, ...own }] of segments.entries()) {
      const loading = loadModel(file, {
        ...shared,
        ...own,
        ...(limit < 0 ? {} : { deadlineMs: Math.max(0, deadline - performance.now()) }),
        onProgress: (progress) => {
          if (progress.stage !== 'ready') onProgress?.(progress);
        },
      });
      models.push(
        await loading.catch((error: unknown) => {
          throw located(error, i, segments.length);
        }),
      );
    }
    const names = models.map(({ info }) => (info.path === null ? '' : path.basename(info.path)));
    const session = { inFlight, queueLimit, dispatch, spinUs };
    const started = guarded(() => native().startPipeline(models.map(nativeModelOf), names, session));
    const pipeline = new Pipeline(started, describe(started, models), models);
    onProgress?.({ stage: 'ready', device: pipeline.info.device });
    return pipeline;
  } catch (error) {
    await Promise.all(models.map((model) => model.dispose()));
    throw error;
  }
}
