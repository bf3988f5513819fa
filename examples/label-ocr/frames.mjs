/** Plays a camera of 30 frames a second against the text detector and measures what an application would feel. */

import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

import { detectionShape, findBoxes, preprocess } from './detect.mjs';
import { renderLabel } from './label.mjs';

/** The detector's input, longer side, from the finest to the fastest. */
const LONG_SIDES = [960, 768, 640, 512, 416, 320];

/** The part of the time between two frames that one frame's work may take: the rest is room for jitter. */
const LOAD_LIMIT = 0.6;

/** Frames that may wait for the device: a third one would be late anyway. */
const CAPACITY = 2;

/** How many different images the camera shows in turn. */
const SCENES = 6;

/**
 * @typedef {{ image: import('../shared/sampling.mjs').Pixels, arrival: number }} Frame
 * @typedef {{ p50: number, p99: number, max: number }} Distribution
 */

/**
 * Loads the detector at the finest size that keeps up here, then runs the camera.
 * @param {(shape: number[]) => Promise<object>} loadDetector
 * @param {{ seconds: number, fps?: number, msPerInputPixel: number, say: (line: string) => void }} options
 *   `msPerInputPixel`: inference alone, from an earlier detection, to know where to start
 */
export async function playFrames(loadDetector, { seconds, fps = 30, msPerInputPixel, say }) {
  const scenes = Array.from({ length: SCENES }, (_, i) => renderLabel({ seed: 100 + i }).pixels);
  const period = 1000 / fps;
  const { model, shape } = await loadFastEnough(loadDetector, scenes[0], LOAD_LIMIT * period, msPerInputPixel);
  try {
    say(
      `Frames       ${seconds} s at ${fps} a second, ${scenes[0].width} × ${scenes[0].height}, detected at ${shape[3]} × ${shape[2]} …`,
    );
    return { shape, ...(await measure(model, shape, scenes, { seconds, fps, period })) };
  } finally {
    await model.dispose();
  }
}

/** Tries sizes from the first that is likely to fit the budget. The smallest one is taken in any case. */
async function loadFastEnough(loadDetector, scene, budget, msPerInputPixel) {
  const shapes = LONG_SIDES.map((longSide) => detectionShape(scene, longSide));
  const likely = shapes.findIndex((shape) => shape[2] * shape[3] * msPerInputPixel <= budget);
  for (let i = likely < 0 ? shapes.length - 1 : likely; ; i++) {
    const model = await loadDetector(shapes[i]);
    if (i === shapes.length - 1 || (await typicalTime(model, shapes[i], scene)) <= budget) {
      return { model, shape: shapes[i] };
    }
    await model.dispose();
  }
}

/** Median milliseconds of a whole frame's work: preprocessing, inference, boxes. */
async function typicalTime(model, shape, scene) {
  const request = model.createRequest();
  const { input, output } = portsOf(model);
  const times = [];
  for (let i = 0; i < 12; i++) {
    const start = performance.now();
    const scale = preprocess(scene, request.inputs[input].data, shape);
    await request.run();
    findBoxes(request.outputs[output].data, { width: shape[3], height: shape[2], scale });
    // The first runs pay for the compilers, of the model's kernels and of this JavaScript.
    if (i >= 3) times.push(performance.now() - start);
  }
  request.dispose();
  return distribution(times).p50;
}

async function measure(model, shape, scenes, { seconds, fps, period }) {
  const { input, output } = portsOf(model);
  const frames = Math.round(seconds * fps);
  const spent = { preprocess: [], queued: [], compute: [], callback: [], postprocess: [] };
  const latencies = [];
  const linesFound = [];
  const memory = { rssStart: process.memoryUsage().rss, rssMax: 0, rssEnd: 0 };
  let late = 0;
  let dropped = 0;
  let scale = 1;

  // Inputs are written into buffers that are used in turn: nothing is allocated per frame.
  const slots = CAPACITY + model.info.inFlight + 1;
  const buffers = Array.from({ length: slots }, () => new Float32Array(shape.reduce((a, b) => a * b)));
  let next = 0;
  const inputs = (frame) => {
    const start = performance.now();
    const buffer = buffers[next++ % slots];
    scale = preprocess(frame.image, buffer, shape);
    spent.preprocess.push(performance.now() - start);
    return { [input]: buffer };
  };

  const resolution = 1;
  const loopDelay = monitorEventLoopDelay({ resolution });
  loopDelay.enable();
  const results = model.stream(camera(scenes, frames, period), {
    overload: 'drop-oldest',
    capacity: CAPACITY,
    inputs,
    timestamp: (frame) => frame.arrival,
    onDrop: () => dropped++,
  });
  for await (const { outputs, timings, timestamp } of results) {
    const start = performance.now();
    const boxes = findBoxes(outputs[output].data, { width: shape[3], height: shape[2], scale });
    const end = performance.now();
    spent.queued.push(timings.queued);
    spent.compute.push(timings.compute);
    spent.callback.push(timings.callback);
    spent.postprocess.push(end - start);
    linesFound.push(boxes.length);
    latencies.push(end - timestamp);
    if (end - timestamp > period) late++;
    memory.rssMax = Math.max(memory.rssMax, process.memoryUsage.rss());
  }
  loopDelay.disable();
  memory.rssEnd = process.memoryUsage().rss;

  // The monitor records the whole interval between its ticks: what is beyond the interval asked for is delay.
  const delay = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - resolution);
  return {
    fps,
    seconds,
    frames,
    results: latencies.length,
    dropped,
    late,
    lateBeyondMs: period,
    latencyMs: distribution(latencies),
    stagesMs: Object.fromEntries(Object.entries(spent).map(([stage, times]) => [stage, distribution(times)])),
    eventLoopDelayMs: {
      p50: delay(loopDelay.percentile(50)),
      p99: delay(loopDelay.percentile(99)),
      max: delay(loopDelay.max),
    },
    memoryMiB: Object.fromEntries(Object.entries(memory).map(([name, bytes]) => [name, bytes / 2 ** 20])),
    linesFound: distribution(linesFound).p50,
  };
}

/**
 * Frames at fixed times, counted from the first: a late one does not move those after it, and its waiting counts as
 * latency, as with a camera that does not wait for anyone.
 * @returns {AsyncGenerator<Frame>}
 */
async function* camera(scenes, frames, period) {
  const start = performance.now() + period;
  for (let i = 0; i < frames; i++) {
    const arrival = start + i * period;
    for (let wait = arrival - performance.now(); wait > 0; wait = arrival - performance.now()) await sleep(wait);
    yield { image: scenes[i % scenes.length], arrival };
  }
}

/** The detector has one input and one output, whatever the converter called them. */
function portsOf(model) {
  return { input: model.inputs[0].name, output: model.outputs[0].name };
}

/**
 * Percentiles by nearest rank; zeros where there are no values.
 * @param {number[]} values
 * @returns {Distribution}
 */
function distribution(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: rank(0.5), p99: rank(0.99), max: rank(1) };
}
