// Four runs in flight on two streams: how much of the native asynchronous loop's throughput is left, and how long the
// event loop waits meanwhile.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { inFlight, NativeLoop, sameProperties, Subject } from './subjects.mjs';
import { saturate } from './timing.mjs';

/** The event loop's delay in milliseconds while `work` goes on. The monitor's timer of 1 ms is part of it. */
async function loopDelay(work) {
  const monitor = monitorEventLoopDelay({ resolution: 1 });
  monitor.enable();
  await work();
  monitor.disable();
  return { p50: monitor.percentile(50) / 1e6, p99: monitor.percentile(99) / 1e6, max: monitor.max / 1e6 };
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** All ways to keep the device busy, on one model. */
export class Throughput {
  static async load(model) {
    const subjects = {};
    for (const dispatch of ['lane', 'spin', 'async', 'auto']) {
      subjects[dispatch] = await Subject.load(model, 'throughput', dispatch, inFlight);
    }
    return new Throughput(subjects, new NativeLoop(model, 'throughput', inFlight));
  }

  constructor(subjects, nativeLoop) {
    this.subjects = subjects;
    this.nativeLoop = nativeLoop;
    this.properties = sameProperties(subjects.lane, nativeLoop);
    const { loop } = nativeLoop;
    this.variants = {
      ...Object.fromEntries(
        Object.entries(subjects).map(([name, subject]) => [name, (runs) => saturate(subject.requests, runs)]),
      ),
      // Other native loops, to know which limit the library can be held to.
      'native-2-threads': (runs) => loop.runThreads(runs, 2),
      'native-4-threads': (runs) => loop.runThreads(runs, inFlight),
      'native-async-again': (runs) => loop.runAsync(runs),
    };
  }

  /** One round of every variant, each right after the native asynchronous loop, its limit. */
  async round(index, runs, results) {
    const names = Object.keys(this.variants);
    const { loop } = this.nativeLoop;
    for (let i = 0; i < names.length; i++) {
      const name = names[(index + i) % names.length];
      loop.runAsync(inFlight);
      const limit = loop.runAsync(runs);
      await this.variants[name](inFlight);
      const microseconds = await this.variants[name](runs);
      results.add(name, 'ratio', limit / microseconds);
      results.add(name, 'perSecond', (runs * 1e6) / microseconds);
      results.add(name, 'nativePerSecond', (runs * 1e6) / limit);
    }
  }

  /** The event loop's delay, idle and saturated, for as long as `milliseconds` each. */
  async delayRound(milliseconds, results) {
    const idle = await loopDelay(() => sleep(milliseconds));
    for (const name of ['lane', 'auto']) {
      const { requests } = this.subjects[name];
      const saturated = await loopDelay(async () => {
        const end = performance.now() + milliseconds;
        const again = async (request) => {
          while (performance.now() < end) await request.run();
        };
        await Promise.all(requests.map(again));
      });
      results.add(name, 'idleP99Ms', idle.p99);
      results.add(name, 'saturatedP99Ms', saturated.p99);
      results.add(name, 'addedP99Ms', saturated.p99 - idle.p99);
      results.add(name, 'addedP50Ms', saturated.p50 - idle.p50);
      results.add(name, 'saturatedMaxMs', saturated.max);
    }
  }

  /** Runs a second that the native loop makes, to decide how many a round can have. */
  calibrate() {
    this.nativeLoop.loop.runAsync(2 * inFlight);
    const runs = 8 * inFlight;
    return (runs * 1e6) / this.nativeLoop.loop.runAsync(runs);
  }

  async close() {
    this.nativeLoop.close();
    for (const subject of Object.values(this.subjects)) await subject.close();
  }
}
