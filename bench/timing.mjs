// Times runs: one at a time beside a reference, or as many at once as there are requests.
import { median } from './statistics.mjs';

/** Microseconds of one awaited run. */
export async function timeRun(request) {
  const begin = performance.now();
  await request.run();
  return (performance.now() - begin) * 1e3;
}

/** Microseconds of each run by `run`; `outside` gets what of it was not spent in the SDK, by the run's own timings. */
export async function timeRuns(request, run, microseconds, outside) {
  // Timings are read between runs; for short runs only now and then, because reading takes as long as a run.
  const stride = microseconds.length > 200 ? 8 : 1;
  for (let i = 0; i < microseconds.length; i++) {
    const begin = performance.now();
    await run();
    microseconds[i] = (performance.now() - begin) * 1e3;
    if (request !== null && i % stride === 0) outside.push(microseconds[i] - request.timings.compute * 1e3);
  }
}

// Without `await`: it would cost a microtask.
export function timeSyncRuns(request, microseconds, outside) {
  const stride = microseconds.length > 200 ? 8 : 1;
  for (let i = 0; i < microseconds.length; i++) {
    const begin = performance.now();
    request.runSync();
    microseconds[i] = (performance.now() - begin) * 1e3;
    if (i % stride === 0) outside.push(microseconds[i] - request.timings.compute * 1e3);
  }
}

/**
 * Reference and variant run by run in turn, for models whose own time varies by more than what is looked for: then only
 * neighbours can be compared.
 */
export async function timeInTurn({ reference, measure }, nativeTimes, times, outside) {
  for (let i = 0; i < times.length; i++) {
    reference(nativeTimes.subarray(i, i + 1));
    await measure(times.subarray(i, i + 1), outside);
  }
  return median(times.map((time, i) => time - nativeTimes[i]));
}

/** All runs of the reference, then all of the variant: warm caches for both, as short runs back to back have them. */
export async function timeInBlocks({ reference, measure }, nativeTimes, times, outside) {
  const warmUp = new Float64Array(Math.round(times.length / 10));
  reference(warmUp);
  reference(nativeTimes);
  await measure(warmUp, []);
  await measure(times, outside);
  return median(times) - median(nativeTimes);
}

/** One round of one variant, and what is left of it beyond `floor`. */
export function addTimes(results, name, { floor, nativeTimes, times, added, outside }) {
  results.add(name, 'floorUs', floor);
  results.add(name, 'nativeUs', median(nativeTimes));
  results.add(name, 'p50Us', median(times));
  results.add(name, 'addedUs', added);
  results.add(name, 'addedAboveFloorUs', added - floor);
  if (outside.length > 0) {
    results.add(name, 'outsideSdkUs', median(outside));
    results.add(name, 'outsideSdkAboveFloorUs', median(outside) - floor);
  }
}

/** Every request runs again as soon as it is told; microseconds for `runs` of them together. */
export async function saturate(requests, runs) {
  let left = runs;
  const begin = performance.now();
  const again = async (request) => {
    while (left-- > 0) await request.run();
  };
  await Promise.all(requests.map(again));
  return (performance.now() - begin) * 1e3;
}
