// `npm run bench:gpu`: TensorRT on a real NVIDIA GPU beside a plain C++ loop over the same engine in the same process, and
// beside trtexec where that is there. docs/gpu-run.md says what the machine needs.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { main, root, Sentence } from '../scripts/root.mjs';
import { tensorrtSimulator } from '../scripts/simulators.mjs';
import { gpuModels } from './gpu/models.mjs';
import { machineLine, today, writeResults } from './results.mjs';
import { median, Rounds } from './statistics.mjs';
import { table, withSpread } from './table.mjs';

const usage = `usage: npm run bench:gpu -- [options]
  --quick            few and short rounds: to see that it works, not for numbers
  --rounds N         default 20 (quick: 2)
  --precision P      of the engines: f32 (default), f16
  --simulator M      the simulated GPU with TensorRT 8, 10 or 11: to see that it works, not for numbers
  --out FILE         FILE.json and FILE.md; default bench/results/<date>-<machine>-gpu (of a simulated GPU: build/gpu)

Nothing else should run on the machine: the load average is part of the result.`;

const inFlight = [1, 2, 4, 8];

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      precision: { type: 'string', default: 'f32' },
      simulator: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 20));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Sentence(`expected --rounds to be 1 or more, got ${values.rounds}.`);
  return { ...values, plan: { rounds, stepMs: values.quick ? 30 : 300 } };
}

/** The engine that the library built, as the cache has it. */
function engineIn(cache) {
  const folder = path.join(cache, 'tensorrt');
  const [entry] = fs.readdirSync(folder).filter((name) => !name.startsWith('.'));
  return new Uint8Array(fs.readFileSync(path.join(folder, entry, 'data')));
}

/** One way to make one run at a time: ours beside the plain loop, with or without graphs. */
async function openOne(loadModel, engine, advanced, graphs) {
  const properties = { CUDA_GRAPH: graphs };
  const model = await loadModel(engine, { device: 'tensorrt:0', advanced, properties });
  return { model, request: model.createRequest() };
}

async function measureModel({ name, about, onnx }, { plan, precision }, libraries, api) {
  const { loadModel, measureFloor, TensorRtLoop, timing } = api;
  const cache = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-infer-bench-gpu-'));
  const results = { latency: new Rounds(), throughput: new Rounds(), load: new Rounds() };
  try {
    const timed = async (what) => {
      const begin = performance.now();
      const model = await loadModel(onnx, { device: 'tensorrt:0', cache, precision });
      results.load.add(what, 'ms', performance.now() - begin);
      await model.dispose();
    };
    await timed('cold: built');
    for (let i = 0; i < Math.min(5, plan.rounds); i++) await timed('warm: from the cache');
    const engine = engineIn(cache);
    const subjects = [];
    for (const graphs of [true, false]) {
      const words = graphs ? 'graph' : 'no graph';
      const loop = new TensorRtLoop(libraries.cuda, libraries.tensorrt, engine, 1, graphs);
      const lane = await openOne(loadModel, engine, { dispatch: 'lane' }, graphs);
      const spin = await openOne(loadModel, engine, { dispatch: 'lane', wait: 'spin' }, graphs);
      const sync = (one) => (times, outside) => timing.timeSyncRuns(one.request, times, outside);
      const awaited = (one) => (times, outside) =>
        timing.timeRuns(one.request, () => one.request.run(), times, outside);
      subjects.push(
        { name: `runSync(), ${words}`, loop, ...lane, measure: sync(lane) },
        { name: `run() on a lane, ${words}`, loop, ...lane, measure: awaited(lane) },
        { name: `run() on a lane that spins, ${words}`, loop, ...spin, measure: awaited(spin) },
      );
    }
    const throughput = [];
    for (const count of inFlight) {
      const loop = new TensorRtLoop(libraries.cuda, libraries.tensorrt, engine, count, true);
      const model = await loadModel(engine, { device: 'tensorrt:0', inFlight: count, advanced: { dispatch: 'lane' } });
      throughput.push({ count, loop, model, requests: Array.from({ length: count }, () => model.createRequest()) });
    }
    const times = new Float64Array(20);
    for (const { loop, request } of subjects) {
      for (let i = 0; i < 3; i++) await request.run(); // the second is recorded as a graph
      loop.runSync(times);
    }
    for (const { requests } of throughput) await timing.saturate(requests, 4 * requests.length);
    const runs = Math.round(Math.min(2000, Math.max(8, (plan.stepMs * 1e3) / median(times))));
    for (let round = 0; round < plan.rounds; round++) {
      process.stderr.write(`\r${name}: round ${round + 1} of ${plan.rounds} `);
      for (let i = 0; i < subjects.length; i++) {
        const { name: variant, loop, measure } = subjects[(round + i) % subjects.length];
        const floor = measureFloor();
        const nativeTimes = new Float64Array(runs);
        const ours = new Float64Array(runs);
        const outside = [];
        const reference = (target) => loop.runSync(target);
        const added = await timing.timeInTurn({ reference, measure }, nativeTimes, ours, outside);
        timing.addTimes(results.latency, variant, { floor, nativeTimes, times: ours, added, outside });
      }
      for (const { count, loop, requests } of throughput) {
        const all = runs * Math.max(2, count);
        const measured = { native: () => loop.runThreads(all), ours: () => timing.saturate(requests, all) };
        const took = {};
        for (const who of round % 2 === 0 ? ['native', 'ours'] : ['ours', 'native']) took[who] = await measured[who]();
        const variant = `${count} in flight`;
        results.throughput.add(variant, 'nativePerSecond', (all * 1e6) / took.native);
        results.throughput.add(variant, 'perSecond', (all * 1e6) / took.ours);
        results.throughput.add(variant, 'ratio', took.native / took.ours);
      }
    }
    process.stderr.write('\n');
    const graphRuns = Object.fromEntries(subjects.map((one) => [one.name, one.model.statistics().graphRuns]));
    const file = path.join(cache, 'bench.engine');
    fs.writeFileSync(file, engine);
    const trtexec = runTrtexec(file, libraries);
    for (const { loop } of subjects) loop.close();
    for (const { model } of subjects) await model.dispose();
    for (const { loop, model } of throughput) {
      loop.close();
      await model.dispose();
    }
    const summaries = Object.entries(results).map(([part, rounds]) => [part, rounds.summary()]);
    return { name, about, runsPerRound: runs, graphRuns, trtexec, ...Object.fromEntries(summaries) };
  } finally {
    fs.rmSync(cache, { recursive: true, force: true });
  }
}

/** The vendor's own numbers for the same engine, or why there are none. */
function runTrtexec(engine, { tensorrt }) {
  const places = [path.join(path.dirname(tensorrt), 'trtexec'), '/usr/src/tensorrt/bin/trtexec', 'trtexec'];
  const program = places.find((place) => spawnSync(place, ['--help']).status === 0);
  if (program === undefined) return { leftOut: 'trtexec is not here' };
  const flags = [`--loadEngine=${engine}`, '--useCudaGraph', '--iterations=1000', '--infStreams=1'];
  const { status, stdout } = spawnSync(program, flags, { encoding: 'utf8' });
  if (status !== 0) return { leftOut: `trtexec ended with code ${status}` };
  const number = (label) => Number(new RegExp(`${label}.*?median = ([\\d.]+) ms`).exec(stdout)?.[1] ?? NaN);
  return {
    flags: flags.slice(1),
    latencyMs: number('Latency:'),
    computeMs: number('GPU Compute Time:'),
    perSecond: Number(/Throughput: ([\d.]+) qps/.exec(stdout)?.[1] ?? NaN),
  };
}

function markdown(results) {
  const { gpu, models, simulated } = results;
  const lines = ['# TensorRT on a GPU', ''];
  if (simulated) lines.push('**On a simulated GPU: these are no measurements.**', '');
  lines.push(
    `${gpu.name}, ${gpu.driver}, memory ${gpu.memory}, engines in ${results.precision}.`,
    '',
    machineLine(results, 'bench:gpu'),
  );
  for (const { name, about, latency, throughput, load, trtexec } of models) {
    lines.push(
      '',
      `## ${name}: ${about}`,
      '',
      'Microseconds of one run: median of rounds (10th … 90th percentile).',
      '',
    );
    const rows = Object.entries(latency).map(([variant, one]) => [
      variant,
      ...['p50Us', 'nativeUs', 'addedUs', 'floorUs', 'addedAboveFloorUs'].map((what) => withSpread(one[what])),
    ]);
    lines.push(...table(['', 'ours', 'plain loop', 'added', 'two wake-ups', 'added above them'], rows), '');
    const flights = Object.entries(throughput).map(([variant, one]) => [
      variant,
      ...['perSecond', 'nativePerSecond', 'ratio'].map((what) => withSpread(one[what])),
    ]);
    lines.push(...table(['', 'runs a second', 'plain threads', 'ratio'], flights), '');
    lines.push(
      ...table(
        ['load', 'ms'],
        Object.entries(load).map(([what, { ms }]) => [what, withSpread(ms)]),
      ),
      '',
    );
    lines.push(
      `trtexec: ${trtexec.leftOut ?? `${trtexec.latencyMs} ms latency, ${trtexec.perSecond} a second (${trtexec.flags.join(' ')})`}.`,
    );
  }
  return `${lines.join('\n')}\n`;
}

await main(async () => {
  const { help, quick, out, plan, precision, simulator } = options();
  if (help) return void console.log(usage);
  await build(['addon', 'ts', 'bench', ...(simulator === undefined ? [] : ['simulators'])]);
  if (simulator !== undefined) Object.assign(process.env, tensorrtSimulator(simulator, `bench-${simulator}`));
  const require = createRequire(import.meta.url);
  const { listBackends } = require(path.join(root, 'dist', 'index.js'));
  const { loadModel, measureFloor } = await import('./requests.mjs');
  const timing = await import('./timing.mjs');
  const { TensorRtLoop } = require(path.join(root, 'build', 'bench-addon', 'Release', 'edge_bench.node'));
  const tensorrt = (await listBackends()).find(({ name }) => name === 'tensorrt');
  if (tensorrt.error !== null) throw new Sentence(`${tensorrt.error.message} ${tensorrt.error.remedy}`);
  const [device] = tensorrt.devices;
  const { describe } = await import('./machine.mjs');
  const machine = describe([]);
  const models = [];
  for (const model of gpuModels(simulator !== undefined)) {
    const api = { loadModel, measureFloor, TensorRtLoop, timing };
    models.push(await measureModel(model, { plan, precision }, tensorrt.libraries, api));
  }
  machine.loadAverageAtEnd = os.loadavg();
  const gpu = { name: device.name, driver: device.driver, memory: device.capabilities.memory };
  const versions = [`TensorRT ${tensorrt.version}`, `driver ${device.driver}`];
  const simulated = simulator !== undefined;
  const results = { date: today(), quick, simulated, plan, precision, machine, gpu, versions, models };
  const target = out ?? (simulated ? path.join(root, 'build', 'gpu', `bench-simulated-${simulator}`) : undefined);
  console.log(writeResults('gpu', results, markdown(results), target));
  return 0;
});
