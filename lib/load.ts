/** `loadModel`: from files and a list of devices to one loaded model. */
import fs from 'node:fs';
import path from 'node:path';
import { userCacheDirectory } from './cache.js';
import { parsePrecision, checkShape } from './dtypes.js';
import { InferenceError } from './errors.js';
import { resolveDevices, type Candidate } from './devices.js';
import { Model } from './model.js';
import {
  callWithin,
  guarded,
  native,
  type NativeGroup,
  type NativeIsolate,
  type NativeLoad,
  type NativeModel,
} from './native.js';
import {
  abortReason,
  booleanOption,
  deadlineOption,
  integerOption,
  invalidOption,
  oneOf,
  signalOption,
} from './options.js';
import { locateSdks } from './sdk-library.js';
import { calibrationOption, prepareCalibration } from './calibration.js';
import { failoverOption } from './failover.js';
import { buildFailure, convertAside, isCacheMiss, isEngine, majorOf, scratchCache } from './engine.js';
import { weightsFingerprint } from './onnx/external.js';
import { buildIsolation, checkIsolate, isolateOption, probeIsolation } from './isolate.js';
import { probe } from './probe.js';
import { checkFile, fileOrBytes, sha256, type FileOrBytes } from './source.js';
import type { LoadOptions, LoadProgress, ModelFile, ModelInfo, ModelSource } from './types.js';
import { version } from './version.js';

/** One file for one device. */
interface Attempt extends Candidate {
  readonly source: FileOrBytes;
  readonly weights: FileOrBytes | null;
}

/** Step by step, and in each step those that share the work. */
function attempts(source: ModelSource, options: LoadOptions): Attempt[][] {
  if (Array.isArray(source)) {
    if (source.length === 0) throw invalidOption('source', 'a model or a list of { file, device }', source);
    return (source as readonly (ModelFile | null)[]).flatMap((one) => {
      if (typeof one !== 'object' || one === null) throw invalidOption('source', 'a list of { file, device }', one);
      // An element of the list as in `device`: there a list in the list is a pool.
      const device = Array.isArray(one.device) ? [one.device] : one.device;
      return resolveDevices(device).map((tier) => tier.map((item) => attempt(item, one.file, one.weights)));
    });
  }
  return resolveDevices(options.device).map((tier) => tier.map((item) => attempt(item, source, options.weights)));
}

function attempt(candidate: Candidate, file: unknown, weights: unknown): Attempt {
  return {
    ...candidate,
    source: fileOrBytes(file, 'source'),
    weights: weights === undefined ? null : fileOrBytes(weights, 'weights'),
  };
}

function properties(options: LoadOptions): [string, string][] {
  const given = options.properties ?? {};
  if (typeof given !== 'object') throw invalidOption('properties', 'an object', given);
  return Object.entries(given).map(([key, value]) => {
    if (!['string', 'number', 'boolean'].includes(typeof value)) {
      throw invalidOption(`properties.${key}`, 'a string, a number or a boolean', value);
    }
    // SDKs write booleans YES and NO; OpenVINO takes both spellings.
    return [key, typeof value === 'boolean' ? (value ? 'YES' : 'NO') : String(value)];
  });
}

function fixedShapes(options: LoadOptions): [string, number[]][] {
  const given = options.shapes ?? {};
  if (typeof given !== 'object') throw invalidOption('shapes', 'an object of shapes by input', given);
  return Object.entries(given).map(([name, shape]) => [name, [...checkShape(shape, `the input '${name}'`)]]);
}

/** '' for none. */
function signatureName(signature: unknown): string {
  if (signature === undefined) return '';
  if (typeof signature !== 'string' || signature === '') throw invalidOption('signature', 'a name', signature);
  return signature;
}

/** The folder for compiled models; '' for none. */
function cacheDirectory(cache: unknown): string {
  if (cache === undefined || cache === false) return '';
  if (typeof cache === 'string' && cache !== '') return path.resolve(cache);
  if (cache !== true) throw invalidOption('cache', 'true, false or a folder', cache);
  return userCacheDirectory();
}

/** The options that every attempt shares, checked before anything is opened. */
export function common(
  options: LoadOptions,
): Omit<
  NativeLoad,
  | 'backend'
  | 'library'
  | 'device'
  | 'isolate'
  | 'path'
  | 'data'
  | 'weightsPath'
  | 'weights'
  | 'group'
  | 'id'
  | 'tier'
  | 'onlyCached'
> {
  checkIsolate(options);
  booleanOption('build', options.build, false);
  const precision = parsePrecision(options.precision) ?? '';
  if (calibrationOption(options.calibration) !== null && precision !== 'i8' && precision !== 'auto') {
    throw invalidOption('precision', "'i8' or 'auto', for which `calibration` is", options.precision);
  }
  const advanced = options.advanced ?? {};
  const wait = oneOf('advanced.wait', advanced.wait, ['sleep', 'spin'], 'sleep');
  const spinUs = integerOption('advanced.spinUs', advanced.spinUs, 1, 1000, 50);
  return {
    precision,
    strict: booleanOption('strict', options.strict, false),
    threads: integerOption('threads', options.threads, 1, 1 << 16, 0),
    streams: integerOption('streams', options.streams, 1, 1 << 16, 0),
    performanceHint:
      options.performanceHint === undefined
        ? ''
        : oneOf('performanceHint', options.performanceHint, ['latency', 'throughput'], 'latency'),
    signature: signatureName(options.signature),
    allowPartial: oneOf('partial', options.partial, ['error', 'allow'], 'error') === 'allow',
    profile: booleanOption('profile', options.profile, false),
    cacheDirectory: cacheDirectory(options.cache),
    properties: properties(options),
    shapes: fixedShapes(options),
    inFlight: integerOption('inFlight', options.inFlight, 1, 1024, 0),
    queueLimit: integerOption('queueLimit', options.queueLimit, 0, 1 << 20, 64),
    dispatch: oneOf('advanced.dispatch', advanced.dispatch, ['auto', 'lane', 'inline', 'async'], 'auto'),
    spinUs: wait === 'spin' ? spinUs : 0,
  };
}

async function checkFiles(one: Attempt): Promise<void> {
  if (one.source.path !== '') await checkFile(one.source.path);
  if (one.weights !== null && one.weights.path !== '') await checkFile(one.weights.path);
}

/** SDKs take a model and its weights both from files or both from memory: a single file is read. */
async function inOnePlace({ source, weights }: Attempt): Promise<[FileOrBytes, FileOrBytes | null]> {
  if (weights === null || (source.data === null) === (weights.data === null)) return [source, weights];
  const read = async (one: FileOrBytes): Promise<FileOrBytes> =>
    one.data !== null ? one : { path: '', data: new Uint8Array(await fs.promises.readFile(one.path)) };
  return [await read(source), await read(weights)];
}

interface Context {
  readonly options: LoadOptions;
  readonly shared: ReturnType<typeof common>;
  readonly signal: AbortSignal | undefined;
  /** performance.now() time, or null. */
  readonly deadline: number | null;
  readonly rejected: { device: string; code: string; message: string }[];
}

function timeout(isolated: boolean): InferenceError {
  return new InferenceError('ERR_TIMEOUT', 'The model did not load within `deadlineMs`.', {
    remedy: isolated
      ? 'Allow more time: compiling takes from milliseconds to minutes. The host process that was at it was ended.'
      : 'Allow more time: compiling takes from milliseconds to minutes, and goes on in this process: only with ' +
        '`isolate: true` can it be ended.',
  });
}

/** A model, or a member of `group` or a trial, which answer with nothing but the file's fingerprint. */
interface Loaded {
  readonly model: NativeModel | undefined;
  readonly fingerprint: string;
  /** Its engine comes from the cache, but was built for this load. */
  readonly built?: boolean;
}

interface Build extends Pick<NativeLoad, 'cacheDirectory'> {
  /** The model that is built; it may have to be made first. */
  readonly model: () => Promise<FileOrBytes>;
  readonly properties: () => NativeLoad['properties'];
  readonly dispose: () => void;
}

/** What an engine is built from and with, where the model is none yet; else undefined. */
async function toBuild(
  one: Attempt,
  source: FileOrBytes,
  library: string,
  fingerprint: Promise<string>,
  { options, shared, signal, deadline }: Context,
): Promise<Build | undefined> {
  if (one.backend !== 'tensorrt' || (await isEngine(source))) return undefined;
  if (one.auto && options.build !== true) {
    throw new InferenceError('ERR_UNSUPPORTED', 'An engine would have to be built of the model, which takes minutes.', {
      remedy: 'Name the device `tensorrt`, or allow it with `build: true`.',
      backend: 'tensorrt',
    });
  }
  if (options.build === false) {
    throw new InferenceError(
      'ERR_UNSUPPORTED',
      'The model is no TensorRT engine, and `build: false` forbids to build one.',
      {
        remedy: 'Build it beforehand, and load the engine.',
        backend: 'tensorrt',
      },
    );
  }
  // Minutes are worth a file: only `false` forgets the engine.
  const cache = options.cache === undefined ? cacheDirectory(true) : shared.cacheDirectory || scratchCache();
  const { precision, properties } = shared;
  const [, tensorrt = ''] = library.split('\n');
  const typed = properties.some(([name, value]) => name === 'STRONGLY_TYPED' && value === 'YES');
  const isHalf = precision === 'f16' || precision === 'bf16';
  const asTyped = typed || (majorOf(tensorrt) ?? 0) >= 11;
  const calibration = calibrationOption(options.calibration);
  if (calibration !== null) {
    if (asTyped) {
      throw new InferenceError('ERR_UNSUPPORTED', 'Only weakly typed networks can be calibrated, up to TensorRT 10.', {
        remedy: 'Give a model that is quantised itself, with QuantizeLinear and DequantizeLinear nodes (Q/DQ).',
        backend: 'tensorrt',
      });
    }
    const left = (): number => (deadline === null ? Infinity : deadline - performance.now());
    const patience = { signal, left, late: () => timeout(true) };
    // Another release of TensorRT may not take what this one learns; its library has another name.
    const learner = `${await fingerprint} ${fs.existsSync(tensorrt) ? fs.realpathSync(tensorrt) : tensorrt}`;
    const prepared = await prepareCalibration(calibration, cache, learner, patience);
    const both = (): NativeLoad['properties'] => [...properties, ...prepared.properties()];
    return { model: () => Promise.resolve(source), properties: both, cacheDirectory: cache, dispose: prepared.dispose };
  }
  const dispose = (): void => undefined;
  if (!isHalf || !asTyped) {
    return { model: () => Promise.resolve(source), properties: () => properties, cacheDirectory: cache, dispose };
  }
  // There the precision is the model's alone. An engine in the cache is known by the model that it comes from, for the
  // pass takes seconds.
  const weights = source.data === null ? await weightsFingerprint(source.path) : '';
  let converted: Promise<FileOrBytes> | undefined;
  const model = (): Promise<FileOrBytes> => (converted ??= convertAside(source, { precision }));
  const marked: NativeLoad['properties'] = [
    ...properties,
    ['CONVERTED_FROM', [await fingerprint, 'by', version, weights].filter((part) => part !== '').join(' ')],
    ...(typed ? [] : ([['STRONGLY_TYPED', 'YES']] as [string, string][])),
  ];
  return { model, properties: () => marked, cacheDirectory: cache, dispose };
}

async function load(one: Attempt, context: Context, group: NativeGroup | null = null, tier = 0): Promise<Loaded> {
  const { options, shared, signal, deadline } = context;
  const progress = (stage: LoadProgress['stage'], more: Pick<LoadProgress, 'phase' | 'fraction'> = {}): void =>
    options.onProgress?.({ stage, device: one.id, ...more });
  progress('locate');
  const library = locateSdks(one.backend, options.libraries).require();
  if (signal !== undefined && isAborted(signal)) throw abortReason(signal);
  const trust = oneOf('trust', options.trust, ['probe', 'trusted'], 'trusted');
  const fingerprint = sha256(one.source);
  fingerprint.catch(() => undefined); // heard below, unless loading fails first
  const [source, weights] = await inOnePlace(one);
  const build = await toBuild(one, source, library, fingerprint, context);
  const within = async (
    isolate: NativeIsolate | null,
    join: NativeGroup | null,
    onlyCached = false,
  ): Promise<Loaded> => {
    const given = build === undefined || onlyCached ? source : await build.model();
    const left = deadline === null ? -1 : deadline - performance.now();
    if (deadline !== null && left <= 0) throw timeout(isolate !== null);
    const patience = {
      signal,
      deadlineMs: left,
      timeout: () => timeout(isolate !== null),
      progress: (phase: string, fraction: number) => progress('build', { phase, fraction }),
    };
    const model = await callWithin<NativeModel | undefined>(patience, (token) =>
      native().loadModel(token, {
        ...shared,
        isolate,
        backend: one.backend,
        device: one.device,
        library,
        path: given.path,
        data: given.data,
        weightsPath: weights?.path ?? '',
        weights: weights?.data ?? null,
        group: join,
        id: one.id,
        tier,
        onlyCached,
        ...(build && { properties: build.properties(), cacheDirectory: build.cacheDirectory }),
      }),
    );
    return { model, fingerprint: await fingerprint };
  };
  const loaded = async (): Promise<Loaded> => {
    if (trust === 'probe') {
      progress('probe');
      await probe(() => within(probeIsolation(options), null));
    }
    const isolate = isolateOption(options, one.id);
    progress('load');
    if (build === undefined || isolate !== null) return within(isolate, group);
    try {
      return await within(null, group, true);
    } catch (error) {
      if (!isCacheMiss(error)) throw error;
    }
    progress('build');
    await within(buildIsolation(options), null).catch((error: unknown) => {
      throw buildFailure(error);
    });
    progress('load');
    return { ...(await within(null, group, true)), built: true };
  };
  try {
    return await loaded();
  } finally {
    build?.dispose();
  }
}

function modelOf(loaded: Loaded, one: Attempt, context: Context, members = [[one.id]]): Model {
  return new Model(loaded.model!, describe(loaded, one, context, members));
}

function describe(
  { model, fingerprint, built }: Loaded,
  one: Attempt,
  context: Context,
  members: readonly (readonly string[])[],
): ModelInfo {
  const { info } = model!;
  return {
    backend: one.backend,
    device: one.id,
    deviceName: info.deviceName,
    members,
    path: one.source.path === '' ? null : one.source.path,
    sha256: fingerprint,
    precision: { requested: parsePrecision(context.options.precision) ?? 'model', actual: info.precision },
    versions: { edgeInfer: version, sdk: info.sdkVersion },
    inFlight: info.inFlight,
    queueLimit: info.queueLimit,
    zeroCopy: info.zeroCopy,
    properties: info.properties,
    rejected: context.rejected,
    isolated: info.isolated,
    loadMs: info.loadMs,
    fromCache: info.fromCache && built !== true,
    devices: info.devices.length === 0 ? [one.id] : info.devices.map((device) => `${one.backend}:${device}`),
  };
}

// A function, because the compiler takes `aborted` for what it was before an await.
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** Another device cannot help with these. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof InferenceError)) return true;
  return ['ERR_TIMEOUT', 'ERR_INVALID_ARGUMENT'].includes(error.code);
}

/** One error for all: a device that is not there explains less than one that refused the model. */
function allFailed(rejected: Context['rejected'], errors: readonly InferenceError[]): InferenceError {
  const telling = errors.filter((error) => error.code !== 'ERR_UNAVAILABLE');
  const [only] = telling.length > 0 ? telling : errors;
  if (only !== undefined && (telling.length === 1 || errors.length === 1)) return only;
  const last = errors[errors.length - 1];
  return new InferenceError(
    telling[0]?.code ?? 'ERR_UNAVAILABLE',
    `The model could not be loaded on any of the devices. ${rejected.map((one) => `${one.device}: ${one.message}`).join(' ')}`,
    { remedy: last?.remedy, cause: last?.cause },
  );
}

/** Waits for an attempt. An error that another device can help with is noted, and the answer is undefined. */
async function attempted<T>(
  one: Attempt,
  context: Context,
  errors: InferenceError[],
  made: Promise<T>,
): Promise<T | undefined> {
  try {
    return await made;
  } catch (error) {
    if (isFinal(error) || isAborted(context.signal)) throw error;
    const failure = error as InferenceError;
    errors.push(failure);
    context.rejected.push({ device: one.id, code: failure.code, message: failure.message });
    return undefined;
  }
}

/** One model on several devices: with `failover` on all of the list, else on the first step that can be loaded. */
async function loadGroup(tiers: readonly Attempt[][], context: Context, files: boolean): Promise<Model> {
  const { retry, ...health } = failoverOption(context.options);
  const group = native().createGroup();
  const members: { one: Attempt; tier: number; loaded: Loaded }[] = [];
  const errors: InferenceError[] = [];
  for (const [tier, pool] of tiers.entries()) {
    for (const one of pool) {
      const join = async (): Promise<Loaded> => {
        if (files) await checkFiles(one);
        return load(one, context, group, tier);
      };
      const loaded = await attempted(one, context, errors, join());
      if (loaded !== undefined) members.push({ one, tier, loaded });
    }
    if (!retry && members.length > 0) break;
  }
  const [best] = members;
  if (best === undefined) throw allFailed(context.rejected, errors);
  const { inFlight, queueLimit, dispatch, spinUs } = context.shared;
  const onlyTier = retry ? -1 : best.tier;
  const model = guarded(() =>
    native().startGroup(group, { inFlight, queueLimit, dispatch, spinUs, retry, ...health, onlyTier }),
  );
  const devices = tiers.map((_, tier) => members.filter((one) => one.tier === tier).map(({ one }) => one.id));
  const { fingerprint } = best.loaded;
  const ready = modelOf(
    { model, fingerprint },
    best.one,
    context,
    devices.filter((ids) => ids.length > 0),
  );
  context.options.onProgress?.({ stage: 'ready', device: best.one.id });
  return ready;
}

/**
 * Loads a model on the first device of the list that takes it, or, with `failover`, on all of them. Rejects with the
 * reason of every device otherwise.
 * The JS thread is free meanwhile; compiling takes from milliseconds to minutes.
 */
export async function loadModel(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options);
  const shared = common(options);
  const signal = signalOption(options.signal);
  const deadlineMs = deadlineOption(options.deadlineMs);
  const context: Context = {
    options,
    shared,
    signal,
    deadline: deadlineMs < 0 ? null : performance.now() + deadlineMs,
    rejected: [],
  };
  if (signal !== undefined && isAborted(signal)) throw abortReason(signal);
  const tiers = attempts(source, options);
  const { retry } = failoverOption(options);
  // A file for every device is looked at here; several files, each when its turn comes.
  const files = Array.isArray(source);
  if (!files && tiers[0]?.[0] !== undefined) await checkFiles(tiers[0][0]);
  if (retry || tiers.some((tier) => tier.length > 1)) return loadGroup(tiers, context, files);
  const errors: InferenceError[] = [];
  for (const one of tiers.flat()) {
    const only = async (): Promise<Model> => {
      if (files) await checkFiles(one);
      return modelOf(await load(one, context), one, context);
    };
    const model = await attempted(one, context, errors, only());
    if (model === undefined) continue;
    options.onProgress?.({ stage: 'ready', device: one.id });
    return model;
  }
  throw allFailed(context.rejected, errors);
}
