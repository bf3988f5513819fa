// `npm run bench`: measures the library against native loops over the same models in the same process.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { isMain, main, Sentence } from '../scripts/root.mjs';
import { ensureOpenvino } from '../scripts/runtime.mjs';
import { findModels, modelNames } from './models.mjs';
import { today, writeResults } from './results.mjs';
import { Rounds } from './statistics.mjs';

const usage = `usage: npm run bench -- [options]
  --quick            few and short rounds: to see that it works, not for numbers
  --models A,B       of ${modelNames.join(', ')}; default: all that are here
  --rounds N         default 20 (quick: 3)
  --out FILE         FILE.json and FILE.md; default bench/results/<date>-<machine>
  --profile          what to do to see where the time goes

Nothing else should run on the machine: the load average is part of the result.`;

const profileHelp = `Where the time goes:
  node --cpu-prof --cpu-prof-dir=build/bench bench/run.mjs --quick --models near-empty
      JavaScript and the addon's entries by function: open the file in Chrome's DevTools, "Performance".
  perf record --call-graph dwarf -o build/bench/perf.data node --perf-basic-prof bench/run.mjs --quick --models near-empty
  perf report -i build/bench/perf.data
      The native threads too, where perf is installed and /proc/sys/kernel/perf_event_paranoid allows it. The addon is
      stripped: for its names build once without -s and with -g (CMakeLists.txt).
  perf stat -e sched:sched_switch,syscalls:sys_enter_futex,syscalls:sys_enter_write node bench/run.mjs …
  strace -f -c node bench/run.mjs …
      Wake-ups by number: they are nearly all of the overhead. A run on a lane alone needs one futex wake, one write to
      the event loop's descriptor and one return of epoll; with four in flight several runs share them.
  In the results: "outside the SDK" is a run's time minus its time in the SDK; request.timings and model.statistics()
  split it into queued (until a lane has the run) and callback (until JavaScript hears of its end).`;

const clamp = (value, low, high) => Math.round(Math.min(high, Math.max(low, value)));

/** All rounds over one model. Round-robin over the variants, so that drift of the machine hits all of them. */
async function measureModel(model, { rounds, stepMs, delayMs, memoryMs }, hear) {
  const { Latency } = await import('./latency.mjs');
  const { Throughput } = await import('./throughput.mjs');
  const { memoryPerRun } = await import('./memory.mjs');
  const latency = await Latency.load(model);
  const throughput = await Throughput.load(model);
  const properties = { latency: latency.properties, throughput: throughput.properties };
  hear(latency.subjects.lane);
  const oneUs = latency.calibrate();
  const perSecond = throughput.calibrate();
  const runsPerRound = {
    latency: clamp((stepMs * 1e3) / oneUs, 8, 2000),
    throughput: 4 * clamp((4 * stepMs * perSecond) / 1e3 / 4, 4, 5000),
  };
  const results = { latency: new Rounds(), throughput: new Rounds(), delay: new Rounds() };
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`\r${model.name}: round ${round + 1} of ${rounds} `);
    await latency.round(round, runsPerRound.latency, results.latency);
    await throughput.round(round, runsPerRound.throughput, results.throughput);
    await throughput.delayRound(delayMs, results.delay);
  }
  const memoryRuns = clamp((memoryMs * 1e3) / oneUs, 64, 50_000);
  const memory = {
    runSync: await memoryPerRun(latency.subjects.lane, 'sync', memoryRuns),
    'run (lane)': await memoryPerRun(latency.subjects.lane, 'run', memoryRuns),
    'run (inline)': await memoryPerRun(latency.subjects.inline, 'run', memoryRuns),
  };
  process.stderr.write('\n');
  await latency.close();
  await throughput.close();
  const { name, about, small, shapes } = model;
  return {
    ...{ name, about, small, shapes, properties, runsPerRound },
    latency: results.latency.summary(),
    throughput: results.throughput.summary(),
    delay: results.delay.summary(),
    memory,
  };
}

/** V8 compiles what is measured while short runs go through it; slow models have too few runs for that. */
async function warmUp() {
  const { Latency } = await import('./latency.mjs');
  const [nearEmpty] = findModels(['near-empty']).models;
  const latency = await Latency.load(nearEmpty);
  await latency.round(0, 2000, new Rounds());
  await latency.close();
}

function options() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean' },
      models: { type: 'string' },
      rounds: { type: 'string' },
      out: { type: 'string' },
      profile: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const names = values.models?.split(',');
  const unknown = names?.find((name) => !modelNames.includes(name));
  if (unknown !== undefined) {
    throw new Sentence(`expected --models to be of ${modelNames.join(', ')}, got ${unknown}.`);
  }
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 20));
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Sentence(`expected --rounds to be 1 or more, got ${values.rounds}.`);
  const lengths = values.quick
    ? { stepMs: 15, delayMs: 200, memoryMs: 200 }
    : { stepMs: 60, delayMs: 500, memoryMs: 3000 };
  return { ...values, names, plan: { rounds, ...lengths } };
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { names, plan, out, profile, help, quick = false } = options();
    if (help || profile) return void console.log(help ? usage : profileHelp);
    await build(['addon', 'ts', 'bench']);
    if ((await ensureOpenvino()) === null) throw new Sentence('OpenVINO was not found where EDGE_INFER_OPENVINO says.');
    const { describe } = await import('./machine.mjs');
    const { markdown } = await import('./report.mjs');
    const { models, leftOut } = findModels(names);
    for (const { name, why } of leftOut) console.error(`edge-infer: ${name} is left out: ${why}.`);
    if (models.length === 0) throw new Sentence('no model is left to measure.');
    await warmUp();
    let machine = null;
    const measured = [];
    for (const model of models) {
      measured.push(await measureModel(model, plan, (subject) => (machine ??= describe([subject]))));
    }
    machine.loadAverageAtEnd = os.loadavg();
    const results = { date: today(), quick, ...plan, machine, models: measured, leftOut };
    console.log(writeResults('', results, markdown(results), out));
    return 0;
  });
}
