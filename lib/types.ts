/** The types of the public API: what callers pass in and what they get back. */

/** Element types, in the field's short notation. `fp16`, `float32` and the like are accepted on input, never returned. */
export type Dtype =
  'f32' | 'f16' | 'bf16' | 'f64' | 'i8' | 'u8' | 'i16' | 'u16' | 'i32' | 'u32' | 'i64' | 'u64' | 'bool';

/** Dimensions, outermost first. In a specification −1 means "decided per run". */
export type Shape = readonly number[];

/** Any typed array that can carry a tensor. `f16` and `bf16` travel as Uint16Array (raw bits), `bool` as Uint8Array (0 or 1). */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/**
 * What the integers of a tensor stand for: real = scale · (q − zeroPoint). One scale and one zero point for the whole
 * tensor, or as many as its dimension `axis` is long. See `quantize()` and `dequantize()`.
 */
export interface Quantization {
  readonly scale: readonly number[];
  readonly zeroPoint: readonly number[];
  /** `null`: one pair for the whole tensor. */
  readonly axis: number | null;
}

/** What a model says about one of its inputs or outputs. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  /** −1 where the dimension is decided per run; `null` where even the rank is unknown before the run. */
  readonly shape: Shape | null;
  /** Only where the model says that its integers stand for real numbers. */
  readonly quantization?: Quantization;
}

/** A tensor with its values. */
export interface Tensor {
  readonly data: TensorData;
  readonly shape: Shape;
  readonly dtype: Dtype;
}

/** An input of one run: values alone where the shape is known, else values with their shape. */
export type InputValue = TensorData | { readonly data: TensorData; readonly shape: Shape };

/** Inputs of one run, by name. */
export type Inputs = Readonly<Record<string, InputValue>>;

/** Outputs of one run, by name. The object has no prototype, so any name is safe. */
export type Outputs = Readonly<Record<string, Tensor>>;

/**
 * Numeric precision of the computation (not of the ports). `auto` lets the SDK choose; what it chose is in `model.info`. `i8` is
 * TensorRT's: of a model that is quantised (Q/DQ), or by `calibration`. Other spellings are taken too: `int8`, `fp16`.
 */
export type Precision = 'f32' | 'f16' | 'bf16' | 'i8' | 'auto';

/** One batch: every input of the model by name, in its type, with as many values as its shape. */
export type CalibrationBatch = Readonly<Record<string, TensorData>>;

/** How TensorRT 8 and 10 learn the ranges of an engine in int8. */
export interface CalibrationOptions {
  /**
   * Batches of real inputs, preprocessed as for a run; a few hundred images are enough. They are written to a file in the
   * system's temporary folder before the build. Where shapes are open they have those of `OPT_SHAPES`.
   */
  readonly inputs?: Iterable<CalibrationBatch> | AsyncIterable<CalibrationBatch>;
  /**
   * TensorRT's calibration cache, a text of one line per tensor. A file that is there is used, and `inputs` are not asked for;
   * one that is not is written from them. Without it what was learnt is kept beside the engines, but `inputs` are asked for
   * at every load.
   */
  readonly cache?: string | URL | Uint8Array;
}

/** How a run reaches the device; see docs/architecture.md. */
export type Dispatch =
  /** A lane, or inline on the JS thread where measurement shows that the run is shorter than a thread's wake-up. */
  | 'auto'
  /** Always a native thread (a lane) and the SDK's synchronous call. */
  | 'lane'
  /** Always on the calling thread: it blocks for the whole run. */
  | 'inline'
  /** The SDK's own asynchronous start with a completion callback, where the backend has one. */
  | 'async';

export interface AdvancedOptions {
  /** Default `auto`. */
  readonly dispatch?: Dispatch;
  /** How an idle lane waits for work: `sleep` (default) or `spin` for `spinUs` microseconds before it sleeps. */
  readonly wait?: 'sleep' | 'spin';
  /** Microseconds, 1 to 1000; default 50. Only with `wait: 'spin'`. */
  readonly spinUs?: number;
}

export interface LoadProgress {
  /** `locate`: looking for the SDK; `probe`: trying a stranger's model in a throw-away process; `load`: opening it, reading and compiling; `build`: TensorRT builds the engine that the cache did not have, and `load` follows again; `ready`: the model can run. */
  readonly stage: 'locate' | 'probe' | 'load' | 'build' | 'ready';
  /** The device being tried. */
  readonly device: string;
  /** With `build`, several times, from TensorRT 10 on (8 does not tell): what it is at, in its words, */
  readonly phase?: string;
  /** and how much of it is done, 0 to 1. Begins anew where TensorRT begins something else. */
  readonly fraction?: number;
}

/** When a device that was lost is used again. */
export interface FailoverOptions {
  /** Milliseconds from a loss to the first probe, a run with zeros; doubles up to 40 times this. Default 250. */
  readonly probeMs?: number;
  /**
   * For how long at least three probes must succeed before the model returns. Doubles, up to 32 times this, for a device
   * that is lost again soon. Default 2000.
   */
  readonly healthyMs?: number;
}

/** One device of a model. */
export interface DeviceStatus {
  readonly device: string;
  /** How many steps of the list come before it. */
  readonly tier: number;
  /** `recovering` ones answer again, and serve only where no other does. */
  readonly state: 'healthy' | 'recovering' | 'lost';
  readonly inFlight: number;
  /** Runs that it was given, and those of them that failed on it (they may have succeeded on another). */
  readonly runs: number;
  readonly failures: number;
  /** How often it was lost. */
  readonly losses: number;
  readonly lastError: string | null;
}

/** How a model lives in a host process of its own (`isolate`). */
export interface IsolateOptions {
  /** A run that takes longer counts as hung: the host is ended and restarted. Milliseconds; default 2000. */
  readonly hangTimeoutMs?: number;
  /** The same for the first run of a request and for making one, which SDKs prepare at leisure. Default 20000. */
  readonly firstRunTimeoutMs?: number;
  /** Bytes that the host may hold for itself; one that holds more is ended. Default: no limit. */
  readonly maxMemory?: number;
  /**
   * A run under which the host is lost is made once more when it is back, and runs that come meanwhile wait for it.
   * Default false: they reject with `ERR_DEVICE_LOST`.
   */
  readonly retry?: boolean;
  /**
   * `strict`: the host may write no file and open no TCP connection, where the kernel has Landlock (Linux 5.13, for TCP
   * 6.7). Default `basic`: no new privileges, no core dumps. `model.host().sandbox` says what is in force.
   */
  readonly sandbox?: 'basic' | 'strict';
}

/** The host process of an isolated model. */
export interface HostStatus {
  /** 0 while none runs. */
  readonly pid: number;
  /** False while it is being restarted. */
  readonly up: boolean;
  readonly restarts: number;
  /** What it gave up before it touched the model, in words. */
  readonly sandbox: string;
}

export interface LoadOptions {
  /**
   * One device or several, tried in order. Default `auto`: the machine's best. A list in the list is a pool of equal
   * devices, which share the runs, least loaded first: `[['tflite:edgetpu:0', 'tflite:edgetpu:1'], 'cpu']`. Each keeps
   * what a model remembers between runs for itself: such models do not belong in a pool.
   */
  readonly device?: string | readonly (string | readonly string[])[];
  /**
   * Moves the running model when its device is lost: runs in flight are made again on the next device of the list, within
   * their deadlines, and the model returns when the better device has been healthy for a while. Every device of the list
   * is loaded at once, and holds its memory. What a model remembers between runs is lost with its device. Default false.
   */
  readonly failover?: boolean | FailoverOptions;
  /** Default: the model's own precision, never lowered silently. */
  readonly precision?: Precision;
  /**
   * TensorRT only, which may leave a layer in f32 where `precision` allows less, if that is faster or all that it has: with
   * `strict` such a layer is `ERR_UNSUPPORTED`, and the error's cause names it. Default false: `info.precision.actual` says
   * what is computed in what, such as `i8+f32`, and `layers()` which layer.
   */
  readonly strict?: boolean;
  /** CPU threads for the computation. Default: the SDK decides. */
  readonly threads?: number;
  /** Parallel execution streams on the device. Default: the SDK decides. */
  readonly streams?: number;
  readonly performanceHint?: 'latency' | 'throughput';
  /** SDK properties by their own names, passed through untouched: `{ ENABLE_CPU_PINNING: false }`. */
  readonly properties?: Readonly<Record<string, string | number | boolean>>;
  /**
   * Runs the device and the model in a process of its own: what crashes, hangs or leaks there is an error here. Models
   * of one device and the same options share a host. Default false; true for Edge TPUs, whose driver may abort. A load
   * with `signal` or `deadlineMs` is then ended when these say so, which in-process loads cannot be, nor those of Edge
   * TPUs: all models of one live in one host.
   */
  readonly isolate?: boolean | IsolateOptions;
  /**
   * `probe`: the model comes from a stranger. It is loaded, run once with zeros and disposed of in a throw-away host first;
   * one that kills that host is `ERR_INVALID_MODEL`. Give a `deadlineMs`: a hostile model may compile for ever.
   */
  readonly trust?: 'probe' | 'trusted';
  /** Fixes input shapes at load, by input name: dynamic models then run with zero copies. */
  readonly shapes?: Readonly<Record<string, Shape>>;
  /**
   * Layers that the device refuses: `error` (default) refuses the model, and the error's cause names the layer in the
   * SDK's words; `allow` leaves them to the CPU: `model.info.devices` then has both devices.
   */
  readonly partial?: 'error' | 'allow';
  /**
   * Runs this signature of a TFLite model, by its name in the file; inputs and outputs are called as it calls them. Variables
   * belong to a request, so signatures do not share them. Default: the file's first graph, by its tensors' names.
   * `inspectTflite` lists the signatures; a name that is not among them is `ERR_INVALID_ARGUMENT`. Other SDKs refuse it with
   * `ERR_UNSUPPORTED`.
   */
  readonly signature?: string;
  /**
   * Measures every layer, for `request.profile()` and `model.layers()`, and on TensorRT the stages of a run
   * (`timings.device`). Costs time in each run; TensorRT's are then not recorded as CUDA graphs.
   */
  readonly profile?: boolean;
  /**
   * Keeps compiled models between processes: `true` in the user's cache folder (`$XDG_CACHE_HOME/edge-infer`), or in a
   * folder of yours. Default `false`: nothing is written; but `true` for the engines that TensorRT builds. What is damaged,
   * foreign or cannot be written costs a compilation and a line in the log, nothing more.
   */
  readonly cache?: boolean | string;
  /**
   * Whether TensorRT may build an engine of an ONNX model, which takes seconds to minutes: default yes where its device is
   * named, no where `auto` comes to it. It is built in a process of its own, which `signal` and `deadlineMs` end. Properties
   * say how: WORKSPACE, OPT_SHAPES and others, docs/jetson.md.
   */
  readonly build?: boolean;
  /**
   * For `precision: 'i8'` (or 'auto') of a model that is not quantised, on TensorRT 8 and 10. Newer ones take quantised models
   * only, `ERR_UNSUPPORTED`. Other SDKs do not look at it.
   */
  readonly calibration?: CalibrationOptions;
  /** Runs that the device is given at once. Default: what the device calls optimal. */
  readonly inFlight?: number;
  /** Runs that may wait beyond those in flight before `ERR_QUEUE_FULL`. Default 64. */
  readonly queueLimit?: number;
  /** The weights of an OpenVINO IR model given in memory, or their path if it is not beside the .xml. */
  readonly weights?: string | URL | Uint8Array;
  /**
   * Path of an SDK's library (or its folder) for this load, by the SDK's name: `openvino`, `tflite`, `edgetpu`, `cuda`, `tensorrt`. The first
   * one opened serves the process.
   */
  readonly libraries?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Milliseconds from the call until the caller stops waiting with `ERR_TIMEOUT`. */
  readonly deadlineMs?: number;
  readonly onProgress?: (progress: LoadProgress) => void;
  readonly advanced?: AdvancedOptions;
}

/** One of several files for the same model, each for its device. */
export interface ModelFile {
  readonly file: string | URL | Uint8Array;
  /** Or a pool of equal devices. */
  readonly device: string | readonly string[];
  readonly weights?: string | URL | Uint8Array;
}

/** A path, a `file:` URL or the model's bytes; or one file per device. */
export type ModelSource = string | URL | Uint8Array | readonly ModelFile[];

export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds from this call. A run that expires before it starts never starts. */
  readonly deadlineMs?: number;
}

/** Where the time of one run went, in milliseconds (monotonic clock). */
export interface Timings {
  /** From the call until a lane took it. */
  readonly queued: number;
  /** In the SDK. */
  readonly compute: number;
  /** From the SDK's return until JavaScript heard of it. */
  readonly callback: number;
  /** From the call until JavaScript heard of the end. */
  readonly total: number;
  /** What `compute` went into on the device, of models loaded with `profile: true`, where the device tells: TensorRT. */
  readonly device?: DeviceTimings;
}

/** The stages of one run on a device with memory of its own, in milliseconds, by the device's clock. */
export interface DeviceTimings {
  /** Moving the inputs from the host's memory to the device's. */
  readonly h2d: number;
  /** Computing; measuring every layer makes it longer than it is without `profile`. */
  readonly compute: number;
  /** Moving the outputs back. */
  readonly d2h: number;
}

export interface Capabilities {
  /** Where request buffers live. */
  readonly memory: 'host' | 'pinned' | 'mapped' | 'shared';
  /** The SDK has an asynchronous start of its own. */
  readonly async: boolean;
  /** A run in progress can be cancelled. */
  readonly cancellable: boolean;
  readonly dynamicShapes: boolean;
  /** The device computes on the host's CPU. */
  readonly hostCompute: boolean;
  readonly precisions: readonly string[];
  readonly formats: readonly string[];
  /** Most runs at once that a model can make use of, as far as the device tells before it has one; 0: it does not. */
  readonly inFlight: number;
}

export interface DeviceInfo {
  /** The id that `loadModel` takes, such as `openvino:cpu`. */
  readonly id: string;
  /** The vendor's full name. */
  readonly name: string;
  readonly type: 'cpu' | 'gpu' | 'npu' | 'edgetpu' | 'other';
  /** The version of the device's driver, in its own words, where the backend tells it: Edge TPUs and NVIDIA's GPUs. */
  readonly driver?: string;
  readonly capabilities: Capabilities;
}

export interface BackendInfo {
  readonly name: string;
  readonly available: boolean;
  /** The SDK's version, where it could be opened. */
  readonly version: string | null;
  /** The library that serves this process. */
  readonly library: string | null;
  /** The same by the SDK's name, where a backend has several (`tflite` and `edgetpu`, `cuda` and `tensorrt`): only those that are there. */
  readonly libraries: Readonly<Record<string, string>>;
  readonly devices: readonly DeviceInfo[];
  /** Why it cannot be used here, and what to do. */
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string } | null;
  /** Every place that was looked at, in order. */
  readonly searched: readonly SearchedPlace[];
}

export interface SearchedPlace {
  /** What was looked for: `openvino`, `tflite`, `edgetpu`, `cuda`, `tensorrt`. */
  readonly sdk: string;
  /** `option`, `environment`, `runtimes`, `npm`, `python`, `system`, `vendor`. */
  readonly source: string;
  readonly path: string;
  readonly found: boolean;
  /** Why it was not used, or what was found. */
  readonly note: string;
}

/** Of a pipeline, where segments differ: their values joined by commas, or all of them; `segments()` has each by itself. */
export interface ModelInfo {
  readonly backend: string;
  readonly device: string;
  readonly deviceName: string;
  /** The devices that it was loaded on, step by step of the list: more than one with `failover` or a pool. */
  readonly members: readonly (readonly string[])[];
  /** Path of the model, or null when it came from memory or is a pipeline. */
  readonly path: string | null;
  /** Of the model's bytes (for IR: of the .xml; of a pipeline: of its segments' hashes in a row), hexadecimal. */
  readonly sha256: string;
  readonly precision: {
    /** What was asked for; `model` where nothing was. */
    readonly requested: Precision | 'model';
    /** What the device executes, in its own report; `unknown` where it does not tell. */
    readonly actual: string;
  };
  readonly versions: { readonly edgeInfer: string; readonly sdk: string };
  readonly inFlight: number;
  readonly queueLimit: number;
  /** False where the runtime forbids external ArrayBuffers (Electron): views are then copied before and after each run. */
  readonly zeroCopy: boolean;
  /** The properties that the device reports as in force, by the SDK's names. */
  readonly properties: Readonly<Record<string, string>>;
  /** Devices of the list that were tried before this one, and why they were not taken. */
  readonly rejected: readonly { readonly device: string; readonly code: string; readonly message: string }[];
  /** The model lives in a host process. */
  readonly isolated: boolean;
  /** Milliseconds that reading and compiling took. */
  readonly loadMs: number;
  /** Whether it was compiled by an earlier load, which `cache` kept. */
  readonly fromCache: boolean;
  /** Where it runs: several where layers are left to another device (`partial`) or a composition shares runs out. */
  readonly devices: readonly string[];
}

/** One layer as compiled: SDKs fuse, split and rename the model's own. */
export interface LayerInfo {
  readonly name: string;
  readonly type: string;
  /** Where it runs, such as `openvino:cpu`; '' where the SDK does not tell. */
  readonly device: string;
  /** In which it is computed; '' where the SDK does not tell. */
  readonly precision: Dtype | '';
  /** What computes it, by the SDK's name, where it tells; TFLite's delegates: `XNNPACK`, `libedgetpu`. */
  readonly kernel: string;
}

/** The time of one layer in the last run. */
export interface LayerTime {
  readonly name: string;
  readonly type: string;
  /** What computes it, by the SDK's name. */
  readonly kernel: string;
  readonly ms: number;
}

/** A latency distribution, in milliseconds. Buckets are logarithmic: values are exact within 4 %. */
export interface Histogram {
  readonly count: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
}

export interface Statistics {
  readonly submitted: number;
  readonly completed: number;
  readonly failed: number;
  readonly aborted: number;
  readonly timedOut: number;
  /** Refused with `ERR_QUEUE_FULL`. */
  readonly refused: number;
  /** Frames that streams dropped. */
  readonly dropped: number;
  readonly inlineRuns: number;
  /** Waiting now, and the most that ever waited. */
  readonly queueDepth: number;
  readonly queueDepthMax: number;
  readonly running: number;
  /** Copied by the CPU on our account since load. 0 on the zero-copy path. */
  readonly bytesCopied: number;
  /** Moved by the hardware between the host's memory and the device's since load; 0 where they share one. */
  readonly bytesTransferred: number;
  /** Runs that were the launch of a recorded CUDA graph: TensorRT's after the first of a request. */
  readonly graphRuns: number;
  /** Native bytes that request buffers hold now. */
  readonly bytesHeld: number;
  readonly queued: Histogram;
  readonly compute: Histogram;
  readonly callback: Histogram;
  readonly total: Histogram;
}

export type Overload = 'wait' | 'drop-oldest' | 'drop-newest';

export interface DroppedFrame {
  readonly index: number;
  readonly timestamp: number;
  readonly reason: 'drop-oldest' | 'drop-newest' | 'deadline' | 'error';
  readonly error?: Error;
}

export interface StreamOptions<Frame> {
  /** What happens to a frame that arrives while all places are taken. Default `wait`: the source is not asked for more. */
  readonly overload?: Overload;
  /** Frames that may wait to be started; default 2, at least 1. */
  readonly capacity?: number;
  /** Frames being computed at once. Default: `model.info.inFlight`. */
  readonly inFlight?: number;
  /** Takes the model's inputs out of a frame. Default: the frame is the inputs. */
  readonly inputs?: (frame: Frame) => Inputs;
  /** Capture time of a frame in milliseconds. Default: `performance.now()` at arrival. */
  readonly timestamp?: (frame: Frame) => number;
  readonly signal?: AbortSignal;
  /** Milliseconds from a frame's arrival; late frames are dropped and reported. */
  readonly deadlineMs?: number;
  readonly onDrop?: (dropped: DroppedFrame) => void;
  /**
   * Called for a frame whose run failed, which is then skipped. Without it the stream ends with the error; with the
   * model's disposal (`ERR_DISPOSED`) it ends in any case.
   */
  readonly onError?: (error: Error, frame: { readonly index: number; readonly timestamp: number }) => void;
}

export interface StreamResult<Frame> {
  readonly index: number;
  readonly timestamp: number;
  readonly frame: Frame;
  readonly outputs: Outputs;
  readonly timings: Timings;
  /** Frames dropped since the previous result. */
  readonly dropped: number;
}

/** Something that happened to a device, of which every environment of the process hears. */
export interface DeviceEvent {
  /** Its id, such as `tflite:edgetpu:0`; of a failover: the device that runs the model from now on. */
  readonly device: string;
  readonly backend: string;
  /** Why, in words. */
  readonly message: string;
  /** Which loss, recovery or failover this is for who tells it (a host process, a model), from 1. */
  readonly count: number;
}

export interface FailoverEvent extends DeviceEvent {
  /** The device that ran the model until now. */
  readonly from: string;
}

export interface LogEvent {
  readonly level: 'error' | 'warning' | 'info' | 'debug';
  readonly backend: string;
  readonly message: string;
}
