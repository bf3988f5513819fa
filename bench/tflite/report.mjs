// The results on TFLite as Markdown.
import { isolationColumns } from '../isolation-pair.mjs';
import { machineLine } from '../results.mjs';
import { table, withSpread } from '../table.mjs';

const nativeColumns = [
  ['native loop, µs', 'nativeUs'],
  ['p50, µs', 'p50Us'],
  ['added, µs', 'addedUs'],
  ['floor, µs', 'floorUs'],
  ['added − floor, µs', 'addedAboveFloorUs'],
  ['outside the SDK, µs', 'outsideSdkUs'],
  ['throughput, share', 'ratio'],
];
const twoColumns = [
  ['native runs/s', 'nativePerSecond'],
  ['runs/s', 'perSecond'],
  ['throughput, share', 'ratio'],
];
const peerColumns = [
  ['latency p50, µs', 'p50Us'],
  ['latency p90, µs', 'p90Us'],
  ['event loop p99 added, ms', 'delayP99Ms'],
  ['resident, MB', 'rssMb'],
  ['grown, MB', 'grownMb'],
];

function section(title, words, columns, part) {
  const rows = Object.entries(part).map(([name, values]) => [
    name,
    ...columns.map(([, key]) => withSpread(values[key])),
  ]);
  return ['', `## ${title}`, '', ...words, '', ...table(['', ...columns.map(([head]) => head)], rows)];
}

export function markdown(results) {
  const { plan, quick, native, twoInFlight, isolation, peers, leftOut, model } = results;
  const options = quick ? '--quick' : `--rounds ${plan.rounds}`;
  const lines = [
    '# TFLite: native loops, a host process, and peers',
    '',
    machineLine(results, `bench:tflite -- ${options}`),
    '',
    `${model}.`,
    '',
    `Medians of ${plan.rounds} rounds with their 10th and 90th percentile; every round measures everything on this page but`,
    'memory, one after the other. What each number means: [README](../README.md).',
    ...(quick ? ['', '**A quick run: it shows that everything works; its numbers mean nothing.**'] : []),
    ...leftOut.map(({ name, why }) => `\nLeft out: ${name} (${why}).`),
    ...section(
      'Against a native loop, one run at a time',
      [
        'The same request on the same library, run by run in turn. Targets: runSync() adds at most 1.5 µs, run() inline 2 µs,',
        'run() on a lane 15 µs beyond the floor; 0.98 of the throughput.',
      ],
      nativeColumns,
      native,
    ),
    ...section(
      'Against two native threads, two runs in flight',
      ['One thread for each run. Target: 0.98 of the throughput.'],
      twoColumns,
      twoInFlight,
    ),
    ...section(
      'Isolated against in-process',
      [
        'Target: at most 20 µs above the floor. The simulated driver runs the model on the CPU: its times say nothing about an',
        'Edge TPU, only what is added, the process boundary, means anything. Its input is 128×128×3.',
      ],
      isolationColumns,
      isolation,
    ),
    ...section(
      'Peers',
      [
        'Each in a process of its own, with the input in place; tfjs-tflite-node has no such way, its predict() converts the',
        `tensors in every run. Memory: resident after ${plan.memoryRuns} runs, and grown during them, with one thread; one value`,
        'each.',
        '',
        'The npm package of tfjs-tflite-node holds TFLite and the source of its addon. It was compiled for this run against',
        'the headers of node-api-headers; its installation would have node-gyp do that.',
      ],
      peerColumns,
      peers,
    ),
  ];
  return `${lines.join('\n')}\n`;
}
