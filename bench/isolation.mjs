// `npm run bench:isolation`: what a host process costs: isolated runs against runs in this process, in turn.
import os from 'node:os';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { main } from '../scripts/root.mjs';
import { ensureOpenvino } from '../scripts/runtime.mjs';
import { findModels } from './models.mjs';
import { machineLine, today, writeResults } from './results.mjs';
import { Rounds } from './statistics.mjs';
import { table, withSpread } from './table.mjs';

const inFlight = 4;

async function measure(IsolationPair, model, rounds) {
  const options = { device: 'openvino:cpu', precision: 'f32', threads: 2, shapes: model.shapes };
  const one = await IsolationPair.load(model.file, { ...options, streams: 1, performanceHint: 'latency' }, 1);
  const many = await IsolationPair.load(
    model.file,
    { ...options, streams: 2, performanceHint: 'throughput' },
    inFlight,
  );
  const perRunUs = await one.calibrate();
  await many.calibrate();
  const runs = Math.round(Math.min(1000, Math.max(20, 150_000 / perRunUs)));
  const results = new Rounds();
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`\r${model.name}: round ${round + 1} of ${rounds} `);
    await one.latencyRound(runs, results);
    await many.throughputRound(round, 4 * runs, results);
  }
  process.stderr.write('\n');
  const copied = one.bytesCopied;
  await one.close();
  await many.close();
  return { name: model.name, about: model.about, runs, copied, ...results.summary() };
}

function markdown({ date, rounds, machine, versions, models }, columns) {
  const rows = models.map(({ name, latency, throughput, copied }) => [
    name,
    ...columns.map(([, key]) => withSpread(latency[key])),
    withSpread(throughput.ratio),
    copied,
  ]);
  const lines = [
    '# Isolation: a host process against this process',
    '',
    machineLine({ date, machine, versions }, `bench:isolation -- --rounds ${rounds}`),
    '',
    'Medians of rounds with their 10th and 90th percentile; in every round isolated and in-process runs take turns. The floor',
    'is two wake-ups between threads, measured in the same round. Target: at most 20 µs above the floor for MobileNetV2, and',
    '0.97 of the throughput with four in flight.',
    '',
    ...table(['model', ...columns.map(([title]) => title), 'throughput, share', 'bytes copied'], rows),
  ];
  return `${lines.join('\n')}\n`;
}

await main(async () => {
  const { values } = parseArgs({
    options: { rounds: { type: 'string' }, models: { type: 'string' }, out: { type: 'string' } },
  });
  const rounds = Number(values.rounds ?? 20);
  await build(['addon', 'ts']);
  await ensureOpenvino();
  const { IsolationPair, isolationColumns } = await import('./isolation-pair.mjs');
  const { loadModel } = await import('./requests.mjs');
  const { describe } = await import('./machine.mjs');
  const { models, leftOut } = findModels(values.models?.split(',') ?? ['near-empty', 'mobilenet-v2', 'resnet-50']);
  for (const { name, why } of leftOut) console.error(`edge-infer: ${name} is left out: ${why}.`);
  const probe = await loadModel(models[0].file, { device: 'openvino:cpu', shapes: models[0].shapes });
  const machine = describe([{ model: probe }]);
  await probe.dispose();
  const measured = [];
  for (const model of models) measured.push(await measure(IsolationPair, model, rounds));
  machine.loadAverageAtEnd = os.loadavg();
  const versions = [`OpenVINO ${machine.openvino}`];
  const results = { date: today(), rounds, machine, versions, models: measured };
  console.log(writeResults('isolation', results, markdown(results, isolationColumns), values.out));
  return 0;
});
