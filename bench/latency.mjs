// What one run costs beyond the native loop over the same request, and beyond the wake-ups that crossing threads costs.
import { measureFloor } from './requests.mjs';
import { median } from './statistics.mjs';
import { NativeLoop, sameProperties, Subject } from './subjects.mjs';
import { addTimes, timeInBlocks, timeInTurn, timeRuns, timeSyncRuns } from './timing.mjs';

/** Rounds of fewer runs than this are made in turn: the model takes half a millisecond or more. */
const inTurnBelow = 200;

/** All ways to make one run at a time, on one model. */
export class Latency {
  static async load(model) {
    const subjects = {};
    for (const dispatch of ['lane', 'spin', 'inline', 'async']) {
      subjects[dispatch] = await Subject.load(model, 'latency', dispatch, 1);
    }
    return new Latency(subjects, new NativeLoop(model, 'latency', 1));
  }

  constructor(subjects, nativeLoop) {
    this.subjects = subjects;
    this.nativeLoop = nativeLoop;
    this.properties = sameProperties(subjects.lane, nativeLoop);
    const { lane, spin, inline, async } = subjects;
    const awaited = (subject) => ({
      reference: (times) => subject.nativeLoop(times),
      measure: (times, outside) => timeRuns(subject.request, () => subject.request.run(), times, outside),
    });
    this.variants = {
      sync: {
        reference: (times) => lane.nativeLoop(times),
        measure: (times, outside) => timeSyncRuns(lane.request, times, outside),
      },
      lane: awaited(lane),
      spin: awaited(spin),
      inline: awaited(inline),
      async: awaited(async),
      copy: {
        reference: (times) => lane.nativeLoop(times),
        measure: (times) => timeRuns(null, () => lane.model.run(lane.plainInputs), times, []),
      },
      // No JavaScript, no library: what is left is the floor that this very model has on this machine.
      'native-hand-over': {
        reference: (times) => nativeLoop.loop.runSync(times),
        measure: (times) => nativeLoop.loop.runHandedOver(times),
      },
    };
  }

  /** One round of every variant, beginning with another one each time. Each is measured right after its reference. */
  async round(index, runs, results) {
    const names = Object.keys(this.variants);
    for (let i = 0; i < names.length; i++) {
      const name = names[(index + i) % names.length];
      const floor = measureFloor();
      const nativeTimes = new Float64Array(runs);
      const times = new Float64Array(runs);
      const outside = [];
      const time = runs < inTurnBelow ? timeInTurn : timeInBlocks;
      const added = await time(this.variants[name], nativeTimes, times, outside);
      addTimes(results, name, { floor, nativeTimes, times, added, outside });
    }
  }

  /** Microseconds that a run takes natively, to decide how many a round can have. */
  calibrate() {
    const times = new Float64Array(10);
    this.subjects.lane.nativeLoop(times);
    this.subjects.lane.nativeLoop(times);
    return median(times);
  }

  async close() {
    this.nativeLoop.close();
    for (const subject of Object.values(this.subjects)) await subject.close();
  }
}
