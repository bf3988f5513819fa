// `npm run bench:tflite`: MobileNetV2 int8 on TFLite beside native loops, in a host process, and beside its peers.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { main, Sentence } from '../scripts/root.mjs';
import { ensureOpenvino, ensureTflite } from '../scripts/runtime.mjs';
import { asset } from './models.mjs';
import { today, writeResults } from './results.mjs';
import { Rounds } from './statistics.mjs';

const usage = `usage: npm run bench:tflite -- [options]
  --quick            few and short rounds: to see that it works, not for numbers
  --rounds N         default 20 (quick: 2)
  --memory-runs N    over which memory is watched; default 10000 (quick: 100)
  --out FILE         FILE.json and FILE.md; default bench/results/<date>-<machine>-tflite

Nothing else should run on the machine: the load average is part of the result.`;

const threadCounts = [1, 2];

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      'memory-runs': { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const { quick, out, help } = values;
  const rounds = Number(values.rounds ?? (quick ? 2 : 20));
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Sentence(`expected --rounds to be 1 or more, got ${values.rounds}.`);
  }
  const memoryRuns = Number(values['memory-runs'] ?? (quick ? 100 : 10_000));
  if (!Number.isInteger(memoryRuns) || memoryRuns < 1) {
    throw new Sentence(`expected --memory-runs to be 1 or more, got ${values['memory-runs']}.`);
  }
  // `stepMs`: how long the native loop of one variant takes in one round; `peerMs`: each measurement of a peer.
  const plan = quick
    ? { rounds, stepMs: 40, peerMs: 150, memoryRuns }
    : { rounds, stepMs: 300, peerMs: 500, memoryRuns };
  return { quick, out, help, plan };
}

const runsIn = (ms, microseconds) => Math.round(Math.min(2000, Math.max(8, (ms * 1e3) / microseconds)));

/** Everything that is measured in this process, loaded at once: every round then has all of it. */
async function loadSubjects(file) {
  const { OneAtATime, TwoInFlight } = await import('./tflite/native.mjs');
  const { loadPairs } = await import('./tflite/isolated.mjs');
  // First: it chooses the driver that TFLite is opened with.
  const { pairs, leftOut } = await loadPairs(file, threadCounts);
  const single = [];
  for (const threads of threadCounts) single.push(await OneAtATime.load(file, threads));
  return { pairs, single, two: await TwoInFlight.load(file), leftOut };
}

async function measure({ pairs, single, two }, peers, plan) {
  const { peersMemory, peersRound } = await import('./tflite/peers.mjs');
  const results = { native: new Rounds(), twoInFlight: new Rounds(), isolation: new Rounds(), peers: new Rounds() };
  const singleRuns = single.map((one) => runsIn(plan.stepMs, one.calibrate()));
  const pairRuns = {};
  for (const [name, pair] of Object.entries(pairs)) pairRuns[name] = runsIn(plan.stepMs, await pair.calibrate());
  for (let round = 0; round < plan.rounds; round++) {
    const say = (what) => process.stderr.write(`\rround ${round + 1} of ${plan.rounds}: ${what}          `);
    say('native loops');
    for (const [i, one] of single.entries()) await one.round(round, singleRuns[i], results.native);
    say('two in flight');
    await two.round(round, 4 * singleRuns[0], results.twoInFlight);
    say('isolated');
    for (const [name, pair] of Object.entries(pairs)) await pair.latencyRound(pairRuns[name], results.isolation, name);
    say('peers');
    await peersRound(peers, round, plan.peerMs, results.peers);
  }
  const oneThread = peers.filter((peer) => peer.options.threads === 1);
  await peersMemory(oneThread, plan.memoryRuns, results.peers);
  process.stderr.write('\n');
  const runsPerRound = { ...Object.fromEntries(threadCounts.map((count, i) => [count, singleRuns[i]])), ...pairRuns };
  const summaries = Object.entries(results).map(([part, rounds]) => [part, rounds.summary()]);
  return { runsPerRound, ...Object.fromEntries(summaries) };
}

await main(async () => {
  const { quick, out, help, plan } = options();
  if (help) return void console.log(usage);
  const { file, why } = asset('mobilenet_v2_1.0_224_quant.tflite');
  if (file === undefined) throw new Sentence(`${why}.`);
  await build(['addon', 'ts']);
  const libraries = { tflite: await ensureTflite(), openvino: await ensureOpenvino() };
  for (const [name, library] of Object.entries(libraries)) {
    if (library === null) throw new Sentence(`${name} was not found where EDGE_INFER_${name.toUpperCase()} says.`);
  }
  const { findPeers, startPeers } = await import('./tflite/peers.mjs');
  const { describe } = await import('./machine.mjs');
  const { markdown } = await import('./tflite/report.mjs');
  const found = findPeers(threadCounts, libraries);
  const machine = describe([]);
  const subjects = await loadSubjects(file);
  let started = [];
  try {
    const { started: all, leftOut, sdks } = await startPeers(found.peers, file);
    started = all;
    const measured = await measure(subjects, started, plan);
    machine.loadAverageAtEnd = os.loadavg();
    const tflite = subjects.two.subject.model.info.versions.sdk;
    const results = {
      date: today(),
      quick,
      plan,
      machine,
      model: 'MobileNetV2 1.0, 224×224×3, quantised to 8 bits, real weights',
      versions: [`TFLite ${tflite}`, `OpenVINO ${sdks['openvino:cpu'] ?? 'not loaded'}`, ...found.versions],
      leftOut: [...subjects.leftOut, ...found.leftOut, ...leftOut],
      ...measured,
    };
    console.log(writeResults('tflite', results, markdown(results), out));
  } finally {
    for (const peer of started) await peer.end(); // or this process would wait for them
    for (const subject of [...Object.values(subjects.pairs), ...subjects.single, subjects.two]) await subject.close();
  }
  return 0;
});
