// tflite:cpu against native loops over the very same requests, in this process.
import { fill } from '../fill.mjs';
import { loadModel, measureFloor, nativeLoop, nativeThreads } from '../requests.mjs';
import { median } from '../statistics.mjs';
import { addTimes, saturate, timeInTurn, timeRuns, timeSyncRuns } from '../timing.mjs';

async function open(file, options, requests = 1) {
  const model = await loadModel(file, { device: 'tflite:cpu', ...options });
  const all = Array.from({ length: requests }, () => model.createRequest());
  for (const request of all) for (const { data } of Object.values(request.inputs)) fill(data);
  return { model, requests: all };
}

async function close({ model, requests }) {
  for (const request of requests) request.dispose();
  await model.dispose();
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

/** The ways to make one run at a time, with so many threads. */
export class OneAtATime {
  static async load(file, threads) {
    const lane = await open(file, { threads, advanced: { dispatch: 'lane' } });
    const inline = await open(file, { threads, advanced: { dispatch: 'inline' } });
    return new OneAtATime(threads, lane, inline);
  }

  constructor(threads, lane, inline) {
    this.lane = lane;
    this.inline = inline;
    const words = threads === 1 ? '1 thread' : `${threads} threads`;
    const against = ({ requests: [request] }, measure) => ({
      reference: (times) => nativeLoop(request, times),
      measure: (times, outside) => measure(request, times, outside),
    });
    const awaited = (request, times, outside) => timeRuns(request, () => request.run(), times, outside);
    this.variants = {
      [`runSync(), ${words}`]: against(lane, timeSyncRuns),
      [`run() inline, ${words}`]: against(inline, awaited),
      [`run() on a lane, ${words}`]: against(lane, awaited),
    };
  }

  /** Microseconds that a run takes natively, once both requests are warm. */
  calibrate() {
    const times = new Float64Array(10);
    for (const { requests } of [this.inline, this.lane, this.lane]) nativeLoop(requests[0], times);
    return median(times);
  }

  /** Each variant run by run in turn with its reference, beginning with another one each time. */
  async round(index, runs, results) {
    const names = Object.keys(this.variants);
    for (let i = 0; i < names.length; i++) {
      const name = names[(index + i) % names.length];
      const floor = measureFloor();
      const nativeTimes = new Float64Array(runs);
      const times = new Float64Array(runs);
      const outside = [];
      const added = await timeInTurn(this.variants[name], nativeTimes, times, outside);
      addTimes(results, name, { floor, nativeTimes, times, added, outside });
      results.add(name, 'ratio', sum(nativeTimes) / sum(times));
    }
  }

  async close() {
    await close(this.lane);
    await close(this.inline);
  }
}

/** Two runs in flight on two lanes, one thread each, against two native threads over the same two requests. */
export class TwoInFlight {
  static async load(file) {
    return new TwoInFlight(await open(file, { threads: 1, inFlight: 2, advanced: { dispatch: 'lane' } }, 2));
  }

  constructor(subject) {
    this.subject = subject;
  }

  async round(index, runs, results) {
    const { requests } = this.subject;
    const measure = {
      native: () => nativeThreads(requests, runs),
      ours: () => saturate(requests, runs),
    };
    const times = {};
    for (const name of index % 2 === 0 ? ['native', 'ours'] : ['ours', 'native']) {
      nativeThreads(requests, requests.length); // the same state of caches and CPUs before either
      times[name] = await measure[name]();
    }
    results.add('run() on two lanes', 'nativePerSecond', (runs * 1e6) / times.native);
    results.add('run() on two lanes', 'perSecond', (runs * 1e6) / times.ours);
    results.add('run() on two lanes', 'ratio', times.native / times.ours);
  }

  close() {
    return close(this.subject);
  }
}
