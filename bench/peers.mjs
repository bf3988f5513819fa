// `npm run bench:peers`: edge-infer beside onnxruntime-node and Python's OpenVINO, each in a process of its own, in turn.
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { pythonEnv } from '../scripts/python-env.mjs';
import { main, root } from '../scripts/root.mjs';
import { ensureOpenvino } from '../scripts/runtime.mjs';
import { findModels } from './models.mjs';
import { installPeers, Peer, peerVersion } from './peers/peer.mjs';
import { machineLine, today, writeResults } from './results.mjs';
import { median, Rounds } from './statistics.mjs';
import { table, withSpread } from './table.mjs';

const counts = [1, 2, 4, 8];

async function measure(peers, model, { rounds, ms, memoryRuns }) {
  const results = new Rounds();
  for (const inFlight of counts) {
    for (const peer of peers) await peer.open({ file: model.file, shape: model.shape, inFlight });
    for (let round = 0; round < rounds; round++) {
      process.stderr.write(`\r${model.name}: ${inFlight} in flight, round ${round + 1} of ${rounds}   `);
      for (let i = 0; i < peers.length; i++) {
        const peer = peers[(round + i) % peers.length];
        if (inFlight === 1) {
          const { times } = await peer.ask('latency', { ms });
          results.add(peer.name, 'latencyUs', median(times));
        }
        const { perSecond } = await peer.ask('throughput', { ms });
        results.add(peer.name, `perSecond${inFlight}`, perSecond);
        if (inFlight === 4 && peer.node)
          results.add(peer.name, 'delayP99Ms', (await peer.ask('delay', { ms })).addedP99Ms);
      }
    }
    if (inFlight === 4) {
      for (const peer of peers) {
        const { grownMb, rssMb } = await peer.ask('memory', { runs: memoryRuns });
        results.add(peer.name, 'grownMb', grownMb);
        results.add(peer.name, 'rssMb', rssMb);
      }
    }
  }
  process.stderr.write('\n');
  return results;
}

function addFirst(peers, model, rounds, results) {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[(round + i) % peers.length];
      results.add(peer.name, 'firstMs', peer.first(model));
    }
  }
}

const columns = [
  ['latency, µs', 'latencyUs'],
  ...counts.map((count) => [`runs/s, ${count} in flight`, `perSecond${count}`]),
  ['event loop p99 added, ms', 'delayP99Ms'],
  ['start to first result, ms', 'firstMs'],
  ['resident, MB', 'rssMb'],
  ['grown, MB', 'grownMb'],
];

function markdown({ date, plan, machine, versions, models }) {
  const lines = [
    '# edge-infer beside its peers',
    '',
    machineLine({ date, machine, versions }, `bench:peers -- --rounds ${plan.rounds}`),
    '',
    'Every subject runs in a process of its own; in every round each is measured in turn while the others wait. f32, two',
    'threads: together on one run where one is in flight, one for each of two streams (or runs) where there are more.',
    'Medians of rounds with their 10th and 90th percentile. Memory: grown during ' +
      `${plan.memoryRuns} runs with four in flight, and resident after them; one value each.`,
    '',
    'openvino-node is not in the comparison: its npm package has no binary, its install script downloads one.',
  ];
  for (const model of models) {
    lines.push('', `## ${model.name}: ${model.about}`, '');
    const rows = Object.entries(model.results).map(([name, values]) => [
      name,
      ...columns.map(([, key]) => withSpread(values[key])),
    ]);
    lines.push(...table(['', ...columns.map(([title]) => title)], rows));
  }
  return `${lines.join('\n')}\n`;
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      models: { type: 'string' },
      out: { type: 'string' },
      quick: { type: 'boolean' },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 10));
  const plan = { rounds, ms: values.quick ? 200 : 700, memoryRuns: values.quick ? 200 : 10_000 };
  await build(['addon', 'ts', 'bench']);
  const library = await ensureOpenvino();
  const modules = installPeers();
  const python = pythonEnv('bench');
  const env = {
    EDGE_INFER_DIST: path.join(root, 'dist', 'index.js'),
    EDGE_INFER_OPENVINO: library,
    PEER_MODULES: modules,
  };
  const peers = [
    Peer.node('edge-infer', 'edge-infer.mjs', { env, options: { precision: 'f32' } }),
    Peer.node('onnxruntime-node', 'onnxruntime-node.mjs', { env }),
    Peer.python('Python openvino', python, 'python_openvino.py'),
  ];
  const { models, leftOut } = findModels(values.models?.split(',') ?? ['mobilenet-v2', 'ppocr-det']);
  for (const { name, why } of leftOut) console.error(`edge-infer: ${name} is left out: ${why}.`);
  const { describe } = await import('./machine.mjs');
  const machine = describe([]);
  const measured = [];
  for (const found of models) {
    const [[input, shape] = ['', []]] = Object.entries(found.shapes);
    const model = { ...found, shape };
    for (const peer of peers) peer.program[2].PEER_INPUT = input;
    for (const peer of peers) peer.start();
    const runs = found.name === 'mobilenet-v2' ? plan.memoryRuns : Math.min(plan.memoryRuns, 1000);
    let results;
    try {
      results = await measure(peers, model, { ...plan, memoryRuns: runs });
    } finally {
      for (const peer of peers) await peer.end(); // or this process would wait for them
    }
    addFirst(peers, model, Math.min(rounds, 5), results);
    measured.push({ name: model.name, about: model.about, memoryRuns: runs, results: results.summary() });
  }
  machine.loadAverageAtEnd = os.loadavg();
  const versions = [
    'OpenVINO 2026.4.1 in edge-infer and in Python',
    `onnxruntime-node ${peerVersion(modules, 'onnxruntime-node')}`,
  ];
  const results = { date: today(), plan, machine, versions, models: measured };
  console.log(writeResults('peers', results, markdown(results), values.out));
  return 0;
});
