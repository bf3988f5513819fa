// The results as Markdown: machine, targets against measurements, then every number with its spread.
import { number, table, withSpread } from './table.mjs';

/** What the project promises itself, and where the number for it stands. `models`: 'all', 'small' or 'real'. */
const targets = [
  ['runSync adds to the native loop, µs at p50', 1.5, 'latency', 'sync', 'addedUs'],
  ['run() on a lane adds beyond the floor, µs at p50', 15, 'latency', 'lane', 'addedAboveFloorUs'],
  ['run() on a spinning lane adds, µs at p50', 25, 'latency', 'spin', 'addedUs'],
  ['run() inline adds, µs at p50', 2, 'latency', 'inline', 'addedUs'],
  ['lanes: share of the native asynchronous throughput', 'ratio', 'throughput', 'lane', 'ratio'],
  ['spinning lanes: the same', 'ratio', 'throughput', 'spin', 'ratio'],
  ['asynchronous start: the same', 'ratio', 'throughput', 'async', 'ratio'],
  ['event loop p99 delay, saturated minus idle, ms', 3, 'delay', 'lane', 'addedP99Ms'],
];

function ratioTarget(model) {
  return model.small ? 0.9 : 0.97;
}

/** One line per target and model: `{ target, limit, model, value, met }`. */
export function againstTargets(results) {
  const lines = [];
  for (const [target, limit, part, variant, quantity] of targets) {
    for (const model of results.models) {
      const value = model[part]?.[variant]?.[quantity];
      if (value === undefined) continue;
      const isRatio = limit === 'ratio';
      const bound = isRatio ? ratioTarget(model) : limit;
      const met = isRatio ? value.median >= bound : value.median <= bound;
      lines.push({ target, limit: isRatio ? `≥ ${bound}` : `≤ ${bound}`, model: model.name, value, met });
    }
  }
  return lines;
}

function machineLines(machine) {
  const {
    cpu,
    cores,
    coreLimit,
    virtualised,
    governor,
    memoryBytes,
    cpuFlags,
    system,
    kernel,
    glibc,
    node,
    openvino,
    edgeInfer,
  } = machine;
  const limit = coreLimit === null ? '' : `, limited to ${coreLimit}`;
  return [
    `- CPU: ${cpu}, ${cores} cores${limit}; ${cpuFlags.join(' ')}`,
    `- virtualised: ${virtualised}; governor: ${governor ?? 'not visible'}; memory: ${(memoryBytes / 2 ** 30).toFixed(0)} GiB`,
    `- ${system ?? 'unknown system'}, ${kernel}, glibc ${glibc ?? 'none'}`,
    `- Node ${node}, OpenVINO ${openvino}, edge-infer ${edgeInfer}, commit ${machine.commit ?? 'unknown'}${machine.changedSinceCommit ? ' with changes' : ''}`,
    `- load average at the start ${machine.loadAverageAtStart.map(number).join(', ')}, at the end ${machine.loadAverageAtEnd.map(number).join(', ')}`,
  ];
}

const latencyColumns = [
  ['native loop µs', 'nativeUs'],
  ['p50 µs', 'p50Us'],
  ['added µs', 'addedUs'],
  ['floor µs', 'floorUs'],
  ['added − floor µs', 'addedAboveFloorUs'],
  ['outside the SDK µs', 'outsideSdkUs'],
];
const throughputColumns = [
  ['native runs/s', 'nativePerSecond'],
  ['runs/s', 'perSecond'],
  ['ratio', 'ratio'],
];
const delayColumns = [
  ['idle p99 ms', 'idleP99Ms'],
  ['saturated p99 ms', 'saturatedP99Ms'],
  ['p99 added ms', 'addedP99Ms'],
  ['p50 added ms', 'addedP50Ms'],
  ['saturated max ms', 'saturatedMaxMs'],
];

function measured(title, columns, part) {
  if (part === undefined) return [];
  const rows = Object.entries(part).map(([variant, quantities]) => [
    variant,
    ...columns.map(([, key]) => withSpread(quantities[key])),
  ]);
  return ['', `**${title}**`, '', ...table(['', ...columns.map(([head]) => head)], rows)];
}

function memoryTable(memory) {
  if (memory === undefined) return [];
  const head = [
    '',
    'runs',
    'heap taken',
    'heap kept',
    'external kept',
    'resident kept',
    'bytes copied',
    'bytes held +',
  ];
  const rows = Object.entries(memory).map(([how, m]) => [
    how,
    m.runs,
    ...[m.heapTakenPerRun, m.heapKeptPerRun, m.externalKeptPerRun, m.residentKeptPerRun].map(number),
    m.bytesCopied,
    m.bytesHeldGrowth,
  ]);
  return ['', '**Memory**: bytes per run (copied and held: in all)', '', ...table(head, rows)];
}

export function markdown(results) {
  const { date, machine, models, leftOut, rounds } = results;
  const lines = againstTargets(results).map(({ target, limit, model, value, met }) => [
    target,
    model,
    limit,
    withSpread(value),
    met ? 'met' : 'missed',
  ]);
  return [
    `# Benchmark of ${date}`,
    '',
    ...machineLines(machine),
    '',
    `Medians of ${rounds} rounds (10th … 90th percentile of rounds). What each number means: [README](../README.md).`,
    ...leftOut.map(({ name, why }) => `\nLeft out: ${name} (${why}).`),
    '',
    '## Against the targets',
    '',
    ...table(['', 'model', 'target', 'measured', ''], lines),
    ...models.flatMap((model) => [
      '',
      `## ${model.name}`,
      '',
      `${model.about}. ${model.runsPerRound.latency} runs a variant and round one by one, ${model.runsPerRound.throughput} with four in flight.`,
      ...measured('One run at a time', latencyColumns, model.latency),
      ...measured('Four in flight on two streams', throughputColumns, model.throughput),
      ...measured('Event loop', delayColumns, model.delay),
      ...memoryTable(model.memory),
    ]),
    '',
  ].join('\n');
}
