// What every subject that runs in Node does with its peer: commands come as lines of JSON, answers go back the same way.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import readline from 'node:readline';
import { setImmediate } from 'node:timers/promises';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** However slow a subject is: fewer have no percentiles, and the loop's monitor sees nothing of them. */
const fewestRuns = 10;

/** `count` loops that run again as soon as they are told, until `end` says so. Returns how many runs were made. */
async function keepBusy({ slots, blocks }, end) {
  let runs = 0;
  await Promise.all(
    slots.map(async (run) => {
      while (!end(runs)) {
        runs++;
        await run();
        // Its promise was settled all along: without a breath the event loop would never turn.
        if (blocks) await setImmediate();
      }
    }),
  );
  return runs;
}

const within = (ms) => {
  const limit = performance.now() + ms;
  return () => performance.now() > limit;
};

async function loopDelayP99(work) {
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  await work();
  monitor.disable();
  return monitor.percentile(99) / 1e6;
}

/**
 * `open({ file, shape, inFlight, … })` gives `{ slots, close, version, blocks }`: functions that make one run each and
 * resolve after it, the SDK's version where it is known, and whether runs block this thread.
 */
function serve(open) {
  let subject = null;
  const commands = {
    async open(options) {
      await subject?.close();
      subject = await open(options);
      await keepBusy(subject, (runs) => runs >= 5 * subject.slots.length);
      return { version: subject.version };
    },
    async latency({ ms }) {
      const times = [];
      const over = within(ms);
      do {
        const begin = performance.now();
        await subject.slots[0]();
        times.push((performance.now() - begin) * 1e3);
      } while (!over() || times.length < fewestRuns);
      return { times };
    },
    async throughput({ ms }) {
      const begin = performance.now();
      const runs = await keepBusy(subject, within(ms));
      return { perSecond: (runs * 1e3) / (performance.now() - begin) };
    },
    async delay({ ms }) {
      const idle = await loopDelayP99(() => sleep(ms));
      const over = within(ms);
      const busy = await loopDelayP99(() => keepBusy(subject, (runs) => runs >= fewestRuns && over()));
      return { addedP99Ms: busy - idle };
    },
    async memory({ runs }) {
      const before = process.memoryUsage.rss();
      await keepBusy(subject, (made) => made >= runs);
      return { grownMb: (process.memoryUsage.rss() - before) / 1e6, rssMb: process.memoryUsage.rss() / 1e6 };
    },
  };
  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const { command, ...options } = JSON.parse(line);
    commands[command](options).then(
      (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`),
      (error) => process.stdout.write(`${JSON.stringify({ error: String(error?.stack ?? error) })}\n`),
    );
  });
}

/** `--first FILE SHAPE` makes one run and ends; otherwise commands come on stdin. */
export async function main(open) {
  const [mode, file, shape] = process.argv.slice(2);
  if (mode !== '--first') return serve(open);
  const subject = await open({ file, shape: JSON.parse(shape), inFlight: 1 });
  await subject.slots[0]();
  process.stdout.write('done\n');
}
