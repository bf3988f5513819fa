// The library in the main thread and in eight workers at once, and workers that are terminated while they are at work.
//   node workers.cjs together|terminate echo|openvino|mixed [ROUNDS]
'use strict';
const { Worker, isMainThread, workerData, parentPort } = require('worker_threads');
const { counts, loadEcho, loadOpenvino, mobile, program, random, settled, sleep, tiny } = require('./support.cjs');

// ------------------------------------------------------------------------------------------------- in every thread

/** Runs of every kind whose results are right; resolves to how many there were. */
async function check(backend, seed) {
  const models = [];
  if (backend !== 'openvino') models.push(await loadEcho(['delay_ms 1'], { inFlight: 2 }));
  if (backend !== 'echo') models.push(await loadOpenvino(tiny, { inFlight: 2 }));
  let runs = 0;
  for (const model of models) {
    const echo = model.info.backend === 'echo';
    // x · x of a 2 × 2 matrix that is `n` times the identity.
    const x = (n) => (echo ? Float32Array.of(n, n, n, n) : Float32Array.of(n, 0, 0, n));
    const expected = (n) => (echo ? 2 * n : n * n);
    const request = model.createRequest();
    for (let i = 1; i <= 10; i++) {
      const n = (seed % 7) + i;
      const copied = [n, n + 1, n + 2].map((value) => model.run({ x: x(value) }));
      request.inputs.x.data.set(x(n));
      if (i % 2 === 0) request.runSync();
      else await request.run();
      const results = [request.outputs.y.data[0], ...(await Promise.all(copied)).map(({ y }) => y.data[0])];
      const wanted = [n, n, n + 1, n + 2].map(expected);
      if (results.join() !== wanted.join()) throw new Error(`got ${results}, not ${wanted}, from ${backend}`);
      runs += results.length;
    }
    request.dispose();
  }
  await Promise.all(models.map((model) => model.dispose()));
  return runs;
}

// What a worker is at when it is terminated.
const states = {
  async delayed() {
    await endless(await loadEcho(['delay_ms 20'], { inFlight: 2 }));
  },
  async hung() {
    await endless(await loadEcho(['hang_at 1', 'delay_ms 60000'], { inFlight: 2 }));
  },
  async 'hung-async'() {
    await endless(await loadEcho(['hang_at 1', 'delay_ms 60000'], { inFlight: 2, advanced: { dispatch: 'async' } }));
  },
  async inline() {
    await endless(await loadEcho([], { inFlight: 1 }));
  },
  async spinning() {
    await endless(await loadEcho(['spin_us 50'], { inFlight: 2, advanced: { dispatch: 'lane', wait: 'spin' } }));
  },
  async sync() {
    const model = await loadEcho(['spin_us 300']);
    const request = model.createRequest();
    setInterval(() => request.runSync(), 0);
  },
  async loading() {
    for (let i = 0; i < 4; i++) loadEcho([`load_ms ${5 * i}`]).catch(() => undefined);
  },
  async disposing() {
    const model = await loadEcho(['delay_ms 5'], { inFlight: 2 });
    await endless(model);
    void model.dispose();
  },
  async streaming() {
    const model = await loadEcho(['delay_ms 1'], { inFlight: 2 });
    const frames = (function* () {
      for (;;) yield { x: new Float32Array(4) };
    })();
    void (async () => {
      for await (const result of model.stream(frames)) void result;
    })();
  },
  async failing() {
    const model = await loadEcho(['delay_ms 2'], { inFlight: 1 });
    const again = () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), 1);
      model.run({ x: new Float32Array(4) }, { signal: controller.signal, deadlineMs: 2 }).then(again, again);
    };
    for (let i = 0; i < 4; i++) again();
  },
  async openvino() {
    await endless(await loadOpenvino(mobile, { inFlight: 2 }), mobile.rows ** 2);
  },
  async 'openvino-async'() {
    const model = await loadOpenvino(mobile, { inFlight: 2, streams: 2, advanced: { dispatch: 'async' } });
    await endless(model, mobile.rows ** 2);
  },
  async 'openvino-near-empty'() {
    await endless(await loadOpenvino(tiny, { inFlight: 2 }));
  },
  async 'openvino-loading'() {
    for (let i = 0; i < 2; i++) loadOpenvino({ rows: 8, products: 40 }).catch(() => undefined);
  },
};

/** Keeps copied and zero-copy runs in flight for ever. */
async function endless(model, elements = 4) {
  const x = new Float32Array(elements);
  const copied = () => void model.run({ x }).then(copied, () => undefined);
  for (let i = 0; i < 2; i++) copied();
  for (let i = 0; i < 2; i++) {
    const request = model.createRequest();
    const again = () => void request.run().then(again, () => undefined);
    again();
  }
}

// -------------------------------------------------------------------------------------------------- the main thread

async function together(backend) {
  const workers = Array.from({ length: 8 }, (_, seed) => {
    const worker = new Worker(__filename, { workerData: { check: backend, seed } });
    return new Promise((resolve, reject) => {
      let runs = 0;
      worker.once('message', (message) => (runs = message));
      worker.once('error', reject);
      worker.once('exit', (code) => (code === 0 ? resolve(runs) : reject(new Error(`a worker ended with ${code}`))));
    });
  });
  const runs = await Promise.all([check(backend, 8), ...workers]);
  return { runs: runs.reduce((a, b) => a + b), counts: await settled() };
}

/** Terminates workers in all states, most at random moments of their work, some before they have begun. */
async function terminate(backend, rounds) {
  const pick = random(42);
  const names = Object.keys(states).filter(
    (name) => backend === 'mixed' || name.startsWith('openvino') === (backend === 'openvino'),
  );
  if (backend !== 'echo') await (await loadOpenvino(tiny)).dispose(); // the SDK is opened once, not by a worker that goes
  let next = 0;
  let early = 0;
  let most = 0;
  const lane = async () => {
    while (next < rounds) {
      const state = names[next++ % names.length];
      const moment = pick(8) === 0 ? 'early' : 'working';
      const worker = new Worker(__filename, { workerData: { state } });
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      const working = new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.once('exit', () => reject(new Error(`a worker ended before it was ${state}`)));
      });
      if (moment === 'early') {
        early++;
        working.catch(() => undefined);
        await sleep(pick(40));
      } else {
        await working;
        await sleep(pick(4));
      }
      most = Math.max(most, counts().models);
      await worker.terminate();
      await ended;
    }
  };
  await Promise.all([lane(), lane(), lane(), lane()]);
  return { terminated: rounds, early, mostModels: most, counts: await settled() };
}

if (isMainThread) {
  const [what, backend, rounds = '200'] = process.argv.slice(2);
  program(() => (what === 'together' ? together(backend) : terminate(backend, Number(rounds))));
} else if (workerData.check !== undefined) {
  void check(workerData.check, workerData.seed).then((runs) => parentPort.postMessage(runs));
} else {
  void states[workerData.state]().then(() => parentPort.postMessage('working'));
}
