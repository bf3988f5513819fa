// Random operations on the echo backend, in the main thread and in workers that are terminated: the same for a seed.
//   node --expose-gc chaos.cjs SEED SECONDS
// Nothing crashes, every promise settles, and exactly once, with a code that fits, and in the end nothing is left.
'use strict';
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const { loadEcho, program, random, settled, sleep } = require('./support.cjs');

const [seed, seconds] = isMainThread ? process.argv.slice(2).map(Number) : [workerData.seed, 60];
const pick = random(seed);
const chance = (percent) => pick(100) < percent;
const oneOf = (list) => list[pick(list.length)];

// What a run, a load or a disposal may end with here.
const fitting = new Set([
  'ERR_TIMEOUT',
  'ERR_QUEUE_FULL',
  'ERR_BUSY',
  'ERR_DISPOSED',
  'ERR_BACKEND',
  'ERR_INVALID_TENSOR',
]);
const tally = { started: 0, settled: 0, fulfilled: 0, aborted: 0, codes: {} };
const wrong = [];
const pending = new Set();
class Abort extends Error {}

/** Follows a promise: it has to settle, with a value or a fitting error. */
function follow(what, promise, check = () => true) {
  tally.started++;
  const entry = { what, since: Date.now(), ends: 0 };
  pending.add(entry);
  const end = () => {
    if (++entry.ends > 1) wrong.push(`${what} settled twice`);
    pending.delete(entry);
    tally.settled++;
  };
  promise.then(
    (value) => {
      end();
      tally.fulfilled++;
      if (!check(value)) wrong.push(`${what} has a wrong result`);
    },
    (error) => {
      end();
      if (error instanceof Abort) tally.aborted++;
      else if (fitting.has(error.code)) tally.codes[error.code] = (tally.codes[error.code] || 0) + 1;
      else wrong.push(`${what} ended with ${error.stack}`);
    },
  );
}

/** Every run that was accepted has ended in exactly one way. */
function audit(model) {
  const { submitted, completed, failed, aborted, timedOut, running, queueDepth } = model.statistics();
  const ended = completed + failed + aborted + timedOut;
  if (submitted === ended && running === 0 && queueDepth === 0) return;
  wrong.push(`${submitted} runs submitted, ${ended} ended, ${running} running, ${queueDepth} waiting`);
}

/** Calls `work` and follows what it returns; what it throws has to fit too. */
function attempt(what, work, check) {
  try {
    const result = work();
    if (result instanceof Promise) follow(what, result, check);
    return result;
  } catch (error) {
    if (!fitting.has(error.code)) wrong.push(`${what} threw ${error.stack}`);
    return undefined;
  }
}

/** Sometimes a deadline, sometimes a signal that is aborted soon, before or after the end. */
function limits() {
  const options = {};
  if (chance(20)) options.deadlineMs = pick(6);
  if (chance(20)) {
    const controller = new AbortController();
    options.signal = controller.signal;
    const abort = () => controller.abort(new Abort());
    if (chance(15)) abort();
    else if (chance(50)) setTimeout(abort, pick(5));
    else setImmediate(abort);
  }
  return Object.keys(options).length > 0 || chance(50) ? options : undefined;
}

const models = [];
let loaded = []; // the last ones, for the accounts
const requests = [];
const hoard = []; // memory that was transferred away
const hanging = new WeakSet(); // models and requests that hang: a run on this thread would never end

const operations = {
  load() {
    if (models.length > 6) return;
    // The others are for the garbage collector; a run that hangs ends only when its model is disposed.
    if (loaded.length > 200) loaded = loaded.filter((model, i) => i >= 100 || hanging.has(model));
    const lines = [];
    if (chance(60)) lines.push(`delay_ms ${pick(6)}`);
    if (chance(20)) lines.push(`spin_us ${pick(200)}`);
    if (chance(20)) lines.push(`load_ms ${pick(10)}`);
    if (chance(20)) lines.push(`fail_at ${1 + pick(20)} ERR_BACKEND`);
    const hangs = chance(10);
    if (hangs) lines.push(`hang_at ${1 + pick(10)}`);
    if (chance(5)) lines.push('refuse ERR_BACKEND');
    const options = {
      inFlight: 1 + pick(4),
      queueLimit: pick(8),
      advanced: { dispatch: oneOf(['auto', 'lane', 'async', 'auto']), wait: oneOf(['sleep', 'sleep', 'spin']) },
      ...limits(),
    };
    const loading = attempt('load', () => loadEcho(lines, options));
    loading.then(
      (model) => {
        models.push(model);
        loaded.push(model);
        if (hangs) hanging.add(model);
      },
      () => undefined,
    );
  },
  run() {
    const model = oneOf(models);
    const n = pick(100);
    const check = (outputs) => outputs.y.data.length === 4 && outputs.y.data.every((value) => value === 2 * n);
    if (model) attempt('model.run', () => model.run({ x: new Float32Array(4).fill(n) }, limits()), check);
  },
  create() {
    const model = oneOf(models);
    const request = model && attempt('createRequest', () => model.createRequest());
    if (request) requests.push(request);
    if (request && hanging.has(model)) hanging.add(request);
    if (requests.length > 20) requests.splice(pick(20), 1); // for the garbage collector
  },
  request() {
    const request = oneOf(requests);
    if (request) attempt('request.run', () => request.run(limits()));
  },
  sync() {
    const request = oneOf(requests);
    if (request && !hanging.has(request)) attempt('runSync', () => request.runSync());
  },
  write() {
    const request = oneOf(requests);
    if (request && request.inputs.x.data.length > 0) request.inputs.x.data.fill(pick(100));
  },
  reshape() {
    const request = oneOf(requests);
    if (request) attempt('reshape', () => request.reshape({ x: [1, 4] }));
  },
  disposeRequest() {
    if (chance(30) && requests.length > 0) requests.splice(pick(requests.length), 1)[0].dispose();
    else if (chance(20)) oneOf(requests)?.dispose(); // and go on using it
  },
  disposeModel() {
    if (!chance(15) || models.length === 0) return;
    const model = chance(80) ? models.splice(pick(models.length), 1)[0] : oneOf(models);
    attempt('dispose', () => model.dispose({ timeoutMs: 200 }));
  },
  drop() {
    if (chance(5)) models.splice(pick(models.length + 1), 1);
    if (chance(20)) requests.splice(pick(requests.length + 1), 1);
  },
  transfer() {
    const request = oneOf(requests);
    if (!request || !chance(20)) return;
    const { buffer } = oneOf([request.inputs.x, request.outputs.y]).data;
    try {
      if (typeof buffer.transfer === 'function' && chance(70)) hoard.push(buffer.transfer());
      else if (typeof structuredClone === 'function') hoard.push(structuredClone(buffer, { transfer: [buffer] }));
    } catch (error) {
      if (error.name !== 'DataCloneError' && !(error instanceof TypeError)) wrong.push(`transfer: ${error.stack}`);
    }
    for (const kept of hoard) if (kept.byteLength > 0) new Uint8Array(kept)[0]++;
    if (hoard.length > 30) hoard.splice(0, 15);
  },
  stream() {
    const model = oneOf(models);
    if (!model || !chance(20)) return;
    const frames = Array.from({ length: pick(10) }, () => ({ x: new Float32Array(4) }));
    const left = pick(12);
    const overload = oneOf(['wait', 'drop-oldest', 'drop-newest']);
    attempt('stream', async () => {
      let seen = 0;
      for await (const result of model.stream(frames, { overload, deadlineMs: 50, onError: () => undefined })) {
        void result;
        if (++seen > left) break;
      }
    });
  },
  statistics() {
    const model = oneOf(models);
    if (model) attempt('statistics', () => void model.statistics());
  },
  collect() {
    if (chance(10) && typeof gc === 'function') gc();
  },
};

async function storm(until) {
  const names = Object.keys(operations);
  let count = 0;
  while (until()) {
    for (let i = 1 + pick(20); i > 0; i--) {
      operations[oneOf(names)]();
      count++;
    }
    if (chance(50)) await new Promise((resolve) => setImmediate(resolve));
    else await sleep(pick(3));
  }
  return count;
}

/** Workers in the same storm, each terminated at some moment, until it is over. */
async function workers(until) {
  let terminated = 0;
  while (until()) {
    const worker = new Worker(__filename, { workerData: { seed: seed + ++terminated } });
    const failed = new Promise((_, reject) => {
      worker.once('error', reject);
      worker.on('message', (message) => reject(new Error(message)));
    });
    failed.catch(() => undefined);
    await Promise.race([sleep(20 + pick(300)), failed]);
    await worker.terminate();
  }
  return terminated;
}

if (isMainThread) {
  program(async () => {
    const limit = Date.now() + seconds * 1000;
    const until = () => Date.now() < limit && wrong.length === 0;
    const [count, terminated] = await Promise.all([storm(until), workers(until), workers(until)]);
    await Promise.all(loaded.map((model) => model.dispose({ timeoutMs: 200 })));
    models.length = 0;
    requests.length = 0;
    hoard.length = 0;
    for (let i = 0; i < 6000 && pending.size > 0; i++) await sleep(10);
    for (const { what, since } of pending) wrong.push(`${what} has not settled in ${Date.now() - since} ms`);
    if (wrong.length === 0) loaded.forEach(audit);
    loaded = [];
    if (wrong.length > 0) throw new Error([...new Set(wrong)].slice(0, 10).join('\n'));
    const counts = await settled();
    return { seed, operations: count, terminated, ...tally, counts };
  });
} else {
  void storm(() => {
    if (wrong.length > 0) parentPort.postMessage(wrong[0]);
    return wrong.length === 0;
  });
}
