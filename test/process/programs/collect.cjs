// Forgets models, requests, streams and promises while runs are in flight, and collects the garbage.
//   node --expose-gc collect.cjs echo|openvino
// Whoever still waits for a run gets its result: what is collected is what nobody waits for. In the end nothing is left.
'use strict';
const { loadEcho, loadOpenvino, program, settled, sleep, tick } = require('./support.cjs');

const backend = process.argv[2] || 'echo';
const size = { rows: 64, products: 200 };
const elements = backend === 'echo' ? 4 : size.rows ** 2;

const load = (lines = ['delay_ms 20'], options = {}) =>
  backend === 'echo' ? loadEcho(lines, { inFlight: 2, ...options }) : loadOpenvino(size, { inFlight: 2, ...options });

async function collect(times = 5) {
  for (let i = 0; i < times; i++) {
    gc();
    await tick();
    await sleep(1);
  }
}

// Each starts something in a scope of its own and returns the promises that somebody still holds.
const scenes = {
  async 'everything dropped'() {
    const model = await load();
    const request = model.createRequest();
    request.run().catch(() => undefined);
    for (let i = 0; i < 6; i++) model.run({ x: new Float32Array(elements) }).catch(() => undefined);
    return [];
  },
  async 'promises of model.run kept'() {
    const model = await load();
    return Array.from({ length: 6 }, () => model.run({ x: new Float32Array(elements) }));
  },
  async 'promises of request.run kept'() {
    const model = await load();
    return Array.from({ length: 4 }, () => model.createRequest().run());
  },
  async 'promises of request.run with a signal kept'() {
    const model = await load();
    const { signal } = new AbortController();
    return Array.from({ length: 4 }, () => model.createRequest().run({ signal, deadlineMs: 60000 }));
  },
  async 'asynchronous starts kept'() {
    const model = await load(undefined, { advanced: { dispatch: 'async' } });
    return [model.createRequest().run(), model.run({ x: new Float32Array(elements) })];
  },
  // The request is all that its holder needs.
  async 'a request without its model'() {
    const request = await (async () => (await load()).createRequest())();
    await collect();
    return [request.run().then(() => request.run())];
  },
  async 'a view without its request'() {
    const view = await (async () => (await load()).createRequest().inputs.x.data)();
    await collect();
    if (view.length !== elements) throw new Error('the view is gone');
    for (let i = 0; i < view.length; i++) view[i] = i;
    return [];
  },
  async 'a stream left in the middle'() {
    const model = await load();
    const frames = (function* () {
      for (;;) yield { x: new Float32Array(elements) };
    })();
    const stream = model.stream(frames);
    await stream.next();
    stream.next().catch(() => undefined);
    return [];
  },
  async 'dispose not waited for'() {
    const model = await load();
    const run = model.run({ x: new Float32Array(elements) });
    while (model.statistics().running === 0) await tick(); // one that has not started would end with ERR_DISPOSED
    void model.dispose();
    return [run];
  },
  async 'loads not waited for'() {
    for (let i = 0; i < 5; i++) void load(['load_ms 10']);
    return [];
  },
};

program(async () => {
  const outcomes = {};
  for (const [name, scene] of Object.entries(scenes)) {
    const kept = await scene();
    const results = Promise.all(
      kept.map((promise) =>
        promise.then(
          () => 'ended',
          (error) => error.code || String(error),
        ),
      ),
    );
    await collect();
    const ends = await results;
    outcomes[name] = ends;
    await settled();
  }
  const early = Object.entries(outcomes).filter(([, ends]) => ends.some((end) => end !== 'ended'));
  if (early.length > 0)
    throw new Error(`the garbage collector ended runs: ${JSON.stringify(Object.fromEntries(early))}`);
  return { scenes: Object.keys(outcomes).length };
});
