// What the programs share: the built library, models, process-wide counts, and the one JSON line that each prints.
'use strict';
const fs = require('fs');
const path = require('path');

// EDGE_INFER_DIST names another build, such as an installed package's.
const dist = process.env.EDGE_INFER_DIST || path.join(__dirname, '..', '..', '..', 'dist');
const { loadModel, events } = require(path.join(dist, 'index.js'));
const { native } = require(path.join(dist, 'native.js'));
const { chain } = require('./ir-model.cjs');

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const tick = () => new Promise((resolve) => setImmediate(resolve));

/** The text of an echo model with one f32 input `x` of `elements` and one output `y` = 2x; `lines` are further statements. */
const echoText = (lines = [], elements = 4) =>
  Buffer.from(['echo 1', `input x f32 1,${elements}`, 'output y = multiply x 2', ...lines, ''].join('\n'));

const loadEcho = (lines = [], options = {}, elements = 4) =>
  loadModel(echoText(lines, elements), { device: 'echo', format: 'echo', ...options });

/** The same in a host process, which may take its time and dispatches as it likes. */
const loadIsolated = (lines = [], { advanced: _, ...options } = {}, elements = 4) =>
  loadEcho(lines, { ...options, isolate: { hangTimeoutMs: 600000, firstRunTimeoutMs: 600000 } }, elements);

/** A chain of matrix products on OpenVINO's CPU device; see ir-model.cjs. */
const loadOpenvino = (size, options = {}) =>
  loadModel(chain(size), { device: 'openvino:cpu', format: 'ir', ...options });

const tiny = { rows: 2, products: 1 }; // near-empty
const heavy = { rows: 768, products: 300 }; // seconds per run, cancellable between the products
const mobile = { rows: 128, products: 70 }; // 0.3 GFLOP, as MobileNetV2

/** Numbers of what is alive in the process: lanes, requests, models, abandoned, bytesHeld. */
function counts() {
  const { lanes, requests, models, abandoned, bytesHeld } = native().process();
  return { lanes, requests, models, abandoned, bytesHeld };
}

const nothing = { lanes: 0, requests: 0, models: 0, abandoned: 0, bytesHeld: 0 };

/** Waits until the counts are `wanted`, collecting garbage where --expose-gc allows it. Throws with the counts if they never are. */
async function settled(wanted = nothing, withinMs = 60000) {
  const limit = Date.now() + withinMs;
  const same = (now) => Object.keys(wanted).every((key) => now[key] === wanted[key]);
  for (;;) {
    if (typeof gc === 'function') gc();
    const now = counts();
    if (same(now)) return now;
    if (Date.now() > limit) throw new Error(`counts never became ${JSON.stringify(wanted)}: ${JSON.stringify(now)}`);
    await sleep(5);
  }
}

/** Written at once, because the process may end in the next line. */
function print(facts) {
  fs.writeSync(1, `${JSON.stringify(facts)}\n`);
}

/** Runs a program: what it resolves to is printed with `ok: true`; then the process has to end by itself. */
function program(work) {
  Promise.resolve()
    .then(work)
    .then(
      (facts) => print({ ok: true, ...facts }),
      (error) => {
        print({ ok: false, error: String((error && error.stack) || error) });
        process.exit(1);
      },
    );
}

/** Whole numbers from 0 to `below` − 1, the same ones for the same seed (mulberry32, public domain). */
function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

const long = process.env.EDGE_INFER_LONG === '1';

module.exports = {
  ...{
    dist,
    events,
    loadModel,
    native,
    sleep,
    tick,
    echoText,
    loadEcho,
    loadIsolated,
    loadOpenvino,
    tiny,
    heavy,
    mobile,
  },
  ...{ counts, nothing, settled, print, program, random, long },
};
