// What a run on the zero-copy path leaves behind: JavaScript heap that a run takes until it is collected, and growth that
// no collection gives back.
import v8 from 'node:v8';
import vm from 'node:vm';
import { binding } from './requests.mjs';
import { median } from './statistics.mjs';

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

// Few enough that most batches see no collection, which would hide what they took.
const largestBatch = 256;

async function settle() {
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return process.memoryUsage();
}

/** Bytes per run over `runs` runs, in whole batches. */
export async function memoryPerRun(subject, how, runs) {
  const { request } = subject;
  const batch = Math.min(largestBatch, Math.max(4, Math.floor(runs / 8)));
  const rounds = Math.ceil(runs / batch);
  const taken = new Float64Array(rounds);
  const work =
    how === 'sync'
      ? () => {
          for (let i = 0; i < batch; i++) request.runSync();
        }
      : async () => {
          for (let i = 0; i < batch; i++) await request.run();
        };
  // Compiled and grown to their final size before anything is counted.
  for (let i = 0; i < rounds / 4; i++) await work();
  const copied = subject.model.statistics().bytesCopied;
  const held = binding.process().bytesHeld;
  const before = await settle();
  for (let i = 0; i < rounds; i++) {
    const start = v8.getHeapStatistics().used_heap_size;
    await work();
    taken[i] = v8.getHeapStatistics().used_heap_size - start;
  }
  const after = await settle();
  const total = rounds * batch;
  return {
    runs: total,
    heapTakenPerRun: median(taken) / batch,
    heapKeptPerRun: (after.heapUsed - before.heapUsed) / total,
    externalKeptPerRun: (after.external - before.external) / total,
    residentKeptPerRun: (after.rss - before.rss) / total,
    bytesCopied: subject.model.statistics().bytesCopied - copied,
    bytesHeldGrowth: binding.process().bytesHeld - held,
  };
}
