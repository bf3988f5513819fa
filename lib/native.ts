/** The native addon: its interface, how it is found, and how its completions reach promises. */
import path from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { InferenceError, fromNative } from './errors.js';
import { abortReason } from './options.js';
import type {
  DeviceEvent,
  DeviceInfo,
  DeviceStatus,
  FailoverEvent,
  LayerTime,
  LogEvent,
  Quantization,
  TensorData,
  Timings,
} from './types.js';

/** A tensor of a request as native code describes it; `buffer` is null while its shape is unknown. */
export interface NativePort {
  readonly buffer: ArrayBuffer | null;
  readonly shape: number[] | null;
}

export interface NativeSpec {
  readonly name: string;
  readonly dtype: string;
  readonly shape: number[] | null;
  readonly quantization?: Quantization;
}

/** queued, compute, callback, total, in milliseconds; where the device tells its stages, also its h2d, compute, d2h. */
export type NativeTimings =
  readonly [number, number, number, number] | readonly [number, number, number, number, number, number, number];

export function timingsFrom(native: NativeTimings): Timings {
  const [queued, compute, callback, total] = native;
  if (native.length === 4) return { queued, compute, callback, total };
  const [, , , , h2d, onDevice, d2h] = native;
  return { queued, compute, callback, total, device: { h2d, compute: onDevice, d2h } };
}

/** One inference slot. Every method is called on the JS thread; only `run` and `cancel` concern a lane. */
export interface NativeRequest {
  inputs(): NativePort[];
  outputs(): NativePort[];
  reshape(shapes: number[][]): void;
  /** Answers through the dispatcher by `token`, unless it returns true: then the run is over (inline). */
  run(token: number, deadlineMs: number, mayInline: boolean): boolean;
  runSync(): void;
  busy(): boolean;
  /** Ends the wait for the run with this token, if it is still the one: it is never started, or cancelled. */
  cancel(token: number): void;
  /** Of the last run. */
  timings(): NativeTimings;
  /** Only where external buffers are forbidden: moves one port's bytes between a JS array and native memory. */
  copyIn(index: number, data: ArrayBuffer): void;
  copyOut(index: number, data: ArrayBuffer): void;
  dispose(): void;
  /** Blocks while the SDK puts its variables back. */
  resetState(): void;
  profile(): LayerTime[];
}

export interface NativeOutput {
  readonly data: ArrayBuffer;
  readonly shape: number[];
}

export interface NativeRunResult {
  readonly outputs: NativeOutput[];
  readonly timings: NativeTimings;
}

export interface NativeHistogram {
  count: number;
  mean: number;
  min: number;
  max: number;
  p50: number;
  p90: number;
  p95: number;
  p99: number;
  p999: number;
}

export interface NativeStatistics {
  submitted: number;
  completed: number;
  failed: number;
  aborted: number;
  timedOut: number;
  refused: number;
  inlineRuns: number;
  queueDepth: number;
  queueDepthMax: number;
  running: number;
  bytesCopied: number;
  bytesTransferred: number;
  graphRuns: number;
  bytesHeld: number;
  queued: NativeHistogram;
  compute: NativeHistogram;
  callback: NativeHistogram;
  total: NativeHistogram;
}

/** One segment of a pipeline at work. */
export interface NativeSegment {
  running: number;
  waiting: number;
  runs: number;
  failures: number;
  compute: NativeHistogram;
}

export interface NativeModel {
  readonly inputs: NativeSpec[];
  readonly outputs: NativeSpec[];
  readonly info: {
    deviceName: string;
    deviceType: string;
    precision: string;
    sdkVersion: string;
    library: string;
    inFlight: number;
    queueLimit: number;
    zeroCopy: boolean;
    properties: Record<string, string>;
    loadMs: number;
    isolated: boolean;
    fromCache: boolean;
    /** In the backend's own ids. */
    devices: string[];
  };
  /** Blocks while the SDK makes a request. `shapes` only for models with dynamic inputs. */
  createRequest(shapes: number[][] | null): NativeRequest;
  /** Copies the arrays before it returns; answers with a `NativeRunResult`. */
  run(token: number, data: TensorData[], shapes: number[][], deadlineMs: number): void;
  cancel(token: number): void;
  statistics(): NativeStatistics;
  /** Null where the model is in this process, or disposed. */
  host(): { pid: number; up: boolean; restarts: number; sandbox: string } | null;
  /** Null where the model is on one device only, or disposed. */
  devices(): DeviceStatus[] | null;
  /** Null where the model is not in segments, or disposed. */
  segments(): NativeSegment[] | null;
  /** Answers once nothing is in flight and the SDK's objects are gone. */
  dispose(token: number): void;
  /** Gives up waiting for a run that never ends; counted in `abandoned()`. */
  abandon(): void;
  /** Answers with a `LayerInfo[]`. */
  layers(token: number): void;
}

/** How the host process is started; see `IsolateOptions`. */
export interface NativeIsolate {
  maxMemory: number;
  hangTimeoutMs: number;
  firstRunTimeoutMs: number;
  retry: boolean;
  /** May write no file and reach no network, where the system can see to that. */
  strict: boolean;
  /** In a host that serves nobody else while it loads, so that giving the load up ends nothing else. */
  alone: boolean;
  /** Later loads may share that host. */
  adopt: boolean;
  /** The model is run once with zeros and destroyed, and the load answers with nothing. */
  trial: boolean;
}

export interface NativeLoad {
  backend: string;
  /** The SDK's library, or '' for backends without one. */
  library: string;
  device: string;
  path: string;
  data: Uint8Array | null;
  weightsPath: string;
  weights: Uint8Array | null;
  precision: string;
  threads: number;
  streams: number;
  performanceHint: string;
  /** '': what the file puts first. */
  signature: string;
  allowPartial: boolean;
  profile: boolean;
  /** '': no cache. */
  cacheDirectory: string;
  /** An engine has to be in the cache already. */
  onlyCached: boolean;
  strict: boolean;
  properties: [string, string][];
  shapes: [string, number[]][];
  inFlight: number;
  queueLimit: number;
  dispatch: string;
  spinUs: number;
  isolate: NativeIsolate | null;
  /** It becomes a member of this group, and answers with nothing. */
  group: NativeGroup | null;
  /** In a group: its id (`echo:cpu`), and how many tiers are better. */
  id: string;
  tier: number;
}

/** Models of several devices while they are being loaded: opaque. */
export type NativeGroup = object & { readonly native: unique symbol };

export interface NativeGroupOptions extends Pick<NativeLoad, 'inFlight' | 'queueLimit' | 'dispatch' | 'spinUs'> {
  /** A run under which a device is lost is made again on another. */
  retry: boolean;
  probeMs: number;
  healthyMs: number;
  /** Members of other tiers are left out; −1: none is. */
  onlyTier: number;
}

export interface NativeBackend {
  version: string;
  library: string;
  devices: (Omit<DeviceInfo, 'id'> & { id: string })[];
}

/** What happens to devices outside any call, by the name of the event. */
export interface NativeDeviceEvents {
  deviceLost: DeviceEvent;
  deviceRecovered: DeviceEvent;
  failover: FailoverEvent;
}

export type NativeQuantized = [
  reals: Float32Array,
  integers: Uint8Array,
  dtype: string,
  shape: readonly number[],
  scales: Float32Array,
  zeroPoints: Int32Array,
  axis: number,
];

export interface NativeBinding {
  readonly version: string;
  initialize(
    dispatch: (token: number, error: unknown, value: unknown) => void,
    log: (level: LogEvent['level'], backend: string, message: string) => void,
    deviceEvent: <Name extends keyof NativeDeviceEvents>(name: Name, event: NativeDeviceEvents[Name]) => void,
    progress: (token: number, phase: string, fraction: number) => void,
  ): void;
  /** True for one caller in a process, who then calls `aboutToExit` when the process ends. */
  claimExit(): boolean;
  /** Our exit handler comes before everything that SDKs have registered so far. */
  aboutToExit(): void;
  /** Names of all backends in this binary, in order of preference, `echo` included. */
  backends(): string[];
  openBackend(token: number, name: string, library: string): void;
  loadModel(token: number, load: NativeLoad): void;
  createGroup(): NativeGroup;
  /** The members that were loaded as one model. Throws where they are not alike. */
  startGroup(group: NativeGroup, options: NativeGroupOptions): NativeModel;
  /** Loaded models as the segments of one; `names` are their files', or ''. Throws where they do not fit together. */
  startPipeline(
    models: readonly NativeModel[],
    names: readonly string[],
    options: Pick<NativeLoad, 'inFlight' | 'queueLimit' | 'dispatch' | 'spinUs'>,
  ): NativeModel;
  /** Nobody waits for this answer any more: it is dropped, does not keep the process alive, and ends an isolated load. */
  forget(token: number): void;
  /** Element-wise conversion; lengths must agree. */
  f32ToF16(source: Float32Array, target: Uint16Array): void;
  f16ToF32(source: Uint16Array, target: Float32Array): void;
  f32ToBf16(source: Float32Array, target: Uint16Array): void;
  bf16ToF32(source: Uint16Array, target: Float32Array): void;
  /** `integers` are the bytes of the dtype's array; `axis` is −1 for one pair. Checks everything but the kinds of arrays. */
  quantize(...of: NativeQuantized): void;
  dequantize(...of: NativeQuantized): void;
  /** Process-wide: lanes, live requests, live models, abandoned models, bytes held, median wake-up in µs (0: not measured). */
  process(): {
    lanes: number;
    requests: number;
    models: number;
    abandoned: number;
    bytesHeld: number;
    wakeUpUs: number;
  };
  /** What benchmarks compare with; all of them block. The same request run in a native loop: microseconds of each run. */
  benchSync(request: NativeRequest, microseconds: Float64Array): void;
  /** The same requests run by native threads, one for each: microseconds of all `runs` together. */
  benchThreads(requests: readonly NativeRequest[], runs: number): number;
  /** Two wake-ups between threads. */
  benchPingPong(microseconds: Float64Array): void;
  /** For tests: behave as if the runtime forbade external ArrayBuffers. */
  forbidExternalBuffers(forbid: boolean): void;
}

interface Waiting {
  /** Kept alive until the answer: garbage collection of a model would end its runs. */
  readonly owner?: object;
  /** How far a load has come. */
  readonly progress?: ((phase: string, fraction: number) => void) | undefined;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

const waiting = new Map<number, Waiting>();
let nextToken = 1;
let loaded: NativeBinding | null = null;
let failure: Error | null = null;
let onLog: (event: LogEvent) => void = () => undefined;
let onDeviceEvent: (name: keyof NativeDeviceEvents, event: DeviceEvent | FailoverEvent) => void = () => undefined;

function dispatch(token: number, error: unknown, value: unknown): void {
  const entry = waiting.get(token);
  if (entry === undefined) return; // aborted: the caller has its answer
  waiting.delete(token);
  if (error === undefined) entry.resolve(value);
  else entry.reject(fromNative(error));
}

/** Sets who hears the SDKs' log lines of this environment. */
export function setLogListener(listener: (event: LogEvent) => void): void {
  onLog = listener;
}

/** Sets who hears in this environment what happens to devices. */
export function setDeviceEventListener(listener: typeof onDeviceEvent): void {
  onDeviceEvent = listener;
}

const packageRoot = path.join(__dirname, '..');

function open(): NativeBinding {
  // EDGE_INFER_BINDING names another build of the addon: sanitizer runs use it.
  const override = process.env.EDGE_INFER_BINDING;
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const load = require('node-gyp-build') as (directory: string) => NativeBinding;
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const binding = override ? (require(override) as NativeBinding) : load(packageRoot);
  binding.initialize(
    dispatch,
    (level, backend, message) => onLog({ level, backend, message }),
    (name, event) => onDeviceEvent(name, event),
    (token, phase, fraction) => waiting.get(token)?.progress?.(phase, fraction),
  );
  // Only the main thread ends the process; a worker's 'exit' is its own.
  if (isMainThread && binding.claimExit()) process.on('exit', () => binding.aboutToExit());
  return binding;
}

/** The addon, opened on first use. Throws `ERR_UNAVAILABLE` where there is no binary for this platform. */
export function native(): NativeBinding {
  if (loaded !== null) return loaded;
  if (failure !== null) throw failure;
  try {
    loaded = open();
    return loaded;
  } catch (error) {
    failure = new InferenceError(
      'ERR_UNAVAILABLE',
      `edge-infer has no binary that works on ${process.platform}-${process.arch} with Node ${process.versions.node}.`,
      {
        remedy:
          'Use a platform that has a prebuilt binary (linux-x64 and linux-arm64, with glibc 2.27 or newer), or build the addon in a checkout with `npm ci && npm run build`.',
        cause: error,
      },
    );
    throw failure;
  }
}

/** Takes a token whose answer settles the promise. `start` may throw: the token is then given back. */
export function call<T>(start: (token: number) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const token = expectAnswer({ resolve: resolve, reject });
    try {
      start(token);
    } catch (error) {
      waiting.delete(token);
      reject(fromNative(error));
    }
  });
}

export function expectAnswer(entry: Waiting): number {
  const token = nextToken++;
  waiting.set(token, entry);
  return token;
}

/** Forgets a token: its answer, if one still comes, is ignored. Returns false if it was answered already. */
export function forget(token: number): boolean {
  return waiting.delete(token);
}

/** Settles a token here and now, with nothing: its native answer is dropped, and keeps nothing alive. */
export function answerNow(token: number): void {
  const entry = waiting.get(token);
  if (!waiting.delete(token)) return;
  native().forget(token);
  entry?.resolve(undefined);
}

export interface Patience {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; negative: for ever. */
  readonly deadlineMs: number;
  /** What the caller gets when the time is over. */
  readonly timeout: () => InferenceError;
  readonly progress?: (phase: string, fraction: number) => void;
}

/** `call` that gives up on `signal` or after a time. Native work in this process goes on, and its result is dropped. */
export function callWithin<T>(patience: Patience, start: (token: number) => void): Promise<T> {
  const { signal, deadlineMs } = patience;
  return new Promise<T>((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(abortReason(signal));
      return;
    }
    let timer: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const giveUp = (reason: unknown): void => {
      if (!forget(token)) return;
      native().forget(token);
      settle();
      reject(reason);
    };
    const onAbort = (): void => giveUp(abortReason(signal!));
    const token = expectAnswer({
      progress: patience.progress,
      resolve: (value) => (settle(), resolve(value as T)),
      reject: (error) => (settle(), reject(error)),
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    // setTimeout takes at most 2^31 - 1 ms; longer is as good as for ever.
    if (deadlineMs >= 0 && deadlineMs < 2 ** 31) timer = setTimeout(() => giveUp(patience.timeout()), deadlineMs);
    try {
      start(token);
    } catch (error) {
      waiting.delete(token);
      settle();
      reject(fromNative(error));
    }
  });
}

/** Runs native code and turns what it throws into an `InferenceError`. */
export function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fromNative(error);
  }
}
