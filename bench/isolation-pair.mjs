// One model twice, in this process and in a host, and what the difference costs.
import { fill } from './fill.mjs';
import { loadModel, measureFloor } from './requests.mjs';
import { median } from './statistics.mjs';
import { saturate, timeRun } from './timing.mjs';

async function open(file, options, isolate, requests) {
  const model = await loadModel(file, { ...options, isolate, advanced: { dispatch: 'lane' } });
  const all = Array.from({ length: requests }, () => model.createRequest());
  for (const request of all) for (const { data } of Object.values(request.inputs)) fill(data);
  return { model, requests: all };
}

async function close({ model, requests }) {
  for (const request of requests) request.dispose();
  await model.dispose();
}

export class IsolationPair {
  /** `there`: options of the isolated one where it needs others, such as another device. */
  static async load(file, options, requests, there = {}) {
    return new IsolationPair(
      await open(file, options, false, requests),
      await open(file, { ...options, ...there }, true, requests),
    );
  }

  constructor(here, there) {
    this.here = here;
    this.there = there;
  }

  /** Microseconds that a run takes here, once both are warm. */
  async calibrate() {
    for (const { requests } of [this.here, this.there]) await saturate(requests, 30);
    return timeRun(this.here.requests[0]);
  }

  /** Run by run in turn, so that what the machine does meanwhile hits both. */
  async latencyRound(runs, results, name = 'latency') {
    const floor = measureFloor();
    const ours = new Float64Array(runs);
    const theirs = new Float64Array(runs);
    for (let i = 0; i < runs; i++) {
      ours[i] = await timeRun(this.here.requests[0]);
      theirs[i] = await timeRun(this.there.requests[0]);
    }
    const added = median(theirs) - median(ours);
    results.add(name, 'inProcessUs', median(ours));
    results.add(name, 'isolatedUs', median(theirs));
    results.add(name, 'addedUs', added);
    results.add(name, 'floorUs', floor);
    results.add(name, 'addedAboveFloorUs', added - floor);
  }

  async throughputRound(index, runs, results) {
    const order = index % 2 === 0 ? [this.here, this.there] : [this.there, this.here];
    const times = new Map();
    for (const subject of order) times.set(subject, await saturate(subject.requests, runs));
    results.add('throughput', 'inProcessPerSecond', (runs * 1e6) / times.get(this.here));
    results.add('throughput', 'isolatedPerSecond', (runs * 1e6) / times.get(this.there));
    results.add('throughput', 'ratio', times.get(this.here) / times.get(this.there));
  }

  get bytesCopied() {
    return this.there.model.statistics().bytesCopied;
  }

  async close() {
    await close(this.here);
    await close(this.there);
  }
}

/** The columns of a round's latency in a table. */
export const isolationColumns = [
  ['in process, µs', 'inProcessUs'],
  ['isolated, µs', 'isolatedUs'],
  ['added, µs', 'addedUs'],
  ['floor, µs', 'floorUs'],
  ['added − floor, µs', 'addedAboveFloorUs'],
];
