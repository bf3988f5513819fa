// Ends the process, or a worker, in the way that argv names while the library is at work.
//   node exit.cjs WAY [BACKEND] [MILLISECONDS]
// Prints one line just before the end; how the process ends is the verdict (see ../cases.cjs).
'use strict';
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const { loadEcho, loadIsolated, loadOpenvino, print, settled, sleep, tick, tiny, heavy } = require('./support.cjs');

const [way, backend = 'echo', milliseconds = '0'] = isMainThread ? process.argv.slice(2) : workerData;
const delay = Number(milliseconds);

const loadLines = backend === 'isolated' ? loadIsolated : loadEcho;

/** A model whose runs last for seconds, and an input for it. */
async function busyModel(lines = ['delay_ms 60000'], options = {}) {
  const model = backend === 'openvino' ? await loadOpenvino(heavy, options) : await loadLines(lines, options);
  const x = new Float32Array(model.inputs[0].shape.reduce((a, b) => a * b, 1));
  return { model, x };
}

/** Two copied runs, two zero-copy runs and two waiting ones. Resolves when some of them are in the device. */
async function runsInFlight({ lines, options = {} } = {}) {
  const { model, x } = await busyModel(lines, { inFlight: 2, ...options });
  const requests = [model.createRequest(), model.createRequest()];
  const runs = [
    ...requests.map((request) => request.run()),
    ...[1, 2].map(() => model.run({ x })),
    model.run({ x }, { deadlineMs: 50000 }),
    model.run({ x }, { signal: new AbortController().signal }),
  ];
  for (const run of runs) run.catch(() => undefined);
  while (model.statistics().running === 0) await tick();
  return { model, requests, runs };
}

function longLoad() {
  const loading = backend === 'openvino' ? loadOpenvino({ rows: 4, products: 6000 }) : loadLines(['load_ms 60000']);
  loading.catch(() => undefined);
  return loading;
}

/** A worker of this file, resolved when it says that it is ready. `ended` is its exit code. */
function startWorker(what) {
  const worker = new Worker(__filename, { workerData: [what, backend, milliseconds] });
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  const failed = new Promise((resolve) => worker.once('error', resolve));
  const ready = new Promise((resolve, reject) => {
    worker.once('message', resolve);
    failed.then(reject);
    ended.then((code) => reject(new Error(`the worker ended with ${code} before it was ready`)));
  });
  ready.catch(() => undefined);
  return { worker, ended, failed, ready };
}

const inWorker = {
  async busy() {
    await runsInFlight();
  },
  async hung() {
    await runsInFlight({ lines: ['hang_at 1'] });
  },
  async stuck() {
    await runsInFlight({ lines: ['stuck_at 1'] });
  },
  async loading() {
    longLoad();
    await sleep(delay);
  },
  // Blocks this worker's thread for half a second, after it has said that it is ready.
  async sync() {
    const model = await loadEcho(['delay_ms 500']);
    const request = model.createRequest();
    setTimeout(() => request.runSync(), 1);
  },
};

const ways = {
  // ---- process.exit
  async exit() {
    await runsInFlight();
    end();
  },
  async 'exit-lane'() {
    await runsInFlight({ options: { advanced: { dispatch: 'lane', wait: 'spin', spinUs: 1000 } } });
    end();
  },
  async 'exit-async'() {
    await runsInFlight({ options: { advanced: { dispatch: 'async' } } });
    end();
  },
  async 'exit-hung'() {
    await runsInFlight({ lines: ['hang_at 1', 'delay_ms 60000'] });
    end();
  },
  async 'exit-stuck'() {
    await runsInFlight({ lines: ['stuck_at 1', 'delay_ms 60000'] });
    end();
  },
  // An SDK's exit handlers are there too: they must not wait for what never ends.
  async 'exit-stuck-beside-openvino'() {
    const model = await loadOpenvino(tiny);
    await model.run({ x: new Float32Array(4) });
    await runsInFlight({ lines: ['stuck_at 1', 'delay_ms 60000'] });
    end();
  },
  // While the SDK's libraries are being opened, its device is asked for, or the model compiles: MILLISECONDS decides.
  async 'exit-load'() {
    longLoad();
    await sleep(delay);
    end();
  },
  async 'exit-dispose'() {
    const { model } = await runsInFlight();
    model.dispose().catch(() => undefined);
    end();
  },
  // The reaper destroys requests and models at that moment.
  async 'exit-reaping'() {
    const load = () => (backend === 'openvino' ? loadOpenvino(tiny) : loadLines());
    const models = await Promise.all(Array.from({ length: 20 }, load));
    const x = new Float32Array(4);
    await Promise.all(models.map((model) => model.run({ x })));
    for (const model of models) model.dispose().catch(() => undefined);
    await sleep(delay);
    end();
  },
  async 'exit-idle'() {
    const { model } = await idle();
    void model;
    end();
  },

  // ---- the other ends
  async uncaught() {
    await runsInFlight();
    announce();
    setImmediate(() => {
      throw new Error('meant to be uncaught');
    });
  },
  async rejection() {
    await runsInFlight();
    announce();
    void Promise.reject(new Error('meant to be unhandled'));
  },
  async sigterm() {
    await runsInFlight();
    announce();
    process.kill(process.pid, 'SIGTERM');
  },
  // What a service does: it disposes and then ends with a code of its own.
  async 'sigterm-handled'() {
    const { model } = await runsInFlight();
    process.once('SIGTERM', () => {
      void model.dispose({ timeoutMs: 100 }).then(() => process.exit(7));
    });
    announce();
    process.kill(process.pid, 'SIGTERM');
  },
  async abort() {
    await runsInFlight();
    announce();
    process.abort();
  },

  // ---- natural ends
  // Runs in flight keep the process alive; when they have ended, the models that nobody disposed do not.
  async natural() {
    const { model, x } = backend === 'echo' ? await busyModel(['delay_ms 100']) : await idle();
    let ended = 0;
    for (let i = 0; i < 4; i++) void model.run({ x }).then(() => ended++);
    process.once('exit', () => print({ ok: ended === 4, ended }));
  },
  async 'natural-idle'() {
    await idle();
    announce();
  },
  async 'natural-load'() {
    const loading = backend === 'openvino' ? loadOpenvino(tiny) : loadLines(['load_ms 200']);
    let loaded = false;
    void loading.then(() => (loaded = true));
    process.once('exit', () => print({ ok: loaded, loaded }));
  },
  // Whom the caller gave up does not keep the process alive.
  async 'natural-given-up-run'() {
    const { model, x } = await busyModel(['stuck_at 1']);
    const controller = new AbortController();
    const run = model.run({ x }, { signal: controller.signal }).catch(() => announce());
    await sleep(20);
    controller.abort();
    await run;
  },
  async 'natural-given-up-dispose'() {
    const { model, runs } = await runsInFlight({ lines: ['stuck_at 1'], options: { inFlight: 1 } });
    void runs;
    await model.dispose({ timeoutMs: 50 });
    announce();
  },
  async 'natural-given-up-load'() {
    const controller = new AbortController();
    const options = { device: 'echo', format: 'echo', signal: controller.signal };
    const loading = loadEcho(['load_ms 60000'], options).catch(() => announce());
    await sleep(20);
    controller.abort();
    await loading;
  },

  // ---- workers
  async 'worker-exit'() {
    const { worker, ended, ready } = startWorker('busy');
    await ready;
    worker.postMessage('exit');
    await reportWorker(await ended, 7);
  },
  async 'worker-exit-hung'() {
    const { worker, ended, ready } = startWorker('hung');
    await ready;
    worker.postMessage('exit');
    await reportWorker(await ended, 7);
  },
  // What never ends stays where it is; the worker and the process end all the same.
  async 'worker-exit-stuck'() {
    const { worker, ended, ready } = startWorker('stuck');
    await ready;
    worker.postMessage('exit');
    await reportWorker(await ended, 7, false);
  },
  async 'worker-exit-loading'() {
    const { worker, ended, ready } = startWorker('loading');
    await ready;
    worker.postMessage('exit');
    const code = await ended;
    print({ ok: code === 7, code });
    process.exit(code); // or this process would wait for nothing: the load is nobody's any more
  },
  async 'worker-uncaught'() {
    const { worker, ended, failed, ready } = startWorker('busy');
    await ready;
    worker.postMessage('throw');
    const error = await failed;
    if (!/meant/.test(error.message)) throw error;
    await reportWorker(await ended, 1);
  },
  async 'worker-terminate-stuck'() {
    const { worker, ended, ready } = startWorker('stuck');
    await ready;
    await worker.terminate();
    await reportWorker(await ended, 1, false);
  },
  // The main thread leaves while workers are at work.
  async 'exit-beside-worker'() {
    await Promise.all(['busy', 'hung', 'busy'].map((what) => startWorker(what).ready));
    await runsInFlight();
    end();
  },
  async 'exit-beside-stuck-worker'() {
    await startWorker('stuck').ready;
    end();
  },
  async 'exit-beside-loading-worker'() {
    await startWorker('loading').ready;
    end();
  },
  async 'exit-beside-sync-worker'() {
    await startWorker('sync').ready;
    await sleep(20);
    end();
  },
};

/** A model with requests that has run everything and that nobody disposes. */
async function idle() {
  const model = backend === 'openvino' ? await loadOpenvino(tiny) : await loadLines();
  const x = new Float32Array(4);
  const request = model.createRequest();
  await Promise.all([model.run({ x }), request.run()]);
  request.runSync();
  return { model, x };
}

function announce() {
  print({ ok: true, way, backend });
}

function end() {
  announce();
  process.exit(7);
}

async function reportWorker(code, expected, empty = true) {
  if (code !== expected) throw new Error(`the worker ended with ${code}, not ${expected}`);
  const counts = empty ? await settled() : undefined;
  print({ ok: true, way, backend, code, counts });
}

if (isMainThread) {
  if (ways[way] === undefined) throw new Error(`no such way: ${way}`);
  ways[way]().catch((error) => {
    print({ ok: false, error: String(error.stack) });
    process.exit(99);
  });
} else {
  parentPort.on('message', (message) => {
    if (message === 'exit') process.exit(7);
    throw new Error('meant to be uncaught');
  });
  void inWorker[way]().then(() => parentPort.postMessage('ready'));
}
