/** The loops of a benchmark: runs as fast as they go, or one for every frame of a camera. */
import { InferenceError } from '../errors.js';
import type { InferenceRequest } from '../index.js';

/** When a loop ends: after so many runs, or so many milliseconds, or when it is told to. */
export interface Span {
  readonly runs?: number;
  readonly milliseconds?: number;
  /** Asked before each run. */
  readonly stopped: () => boolean;
}

/** Hears of every run that has ended; `latency` in milliseconds. */
export type Record = (latency: number, request: InferenceRequest) => void;

export interface Arrivals {
  /** Frames that arrived. */
  readonly frames: number;
  /** Whose result came after the next frame had arrived. */
  readonly late: number;
  /** Replaced by a newer frame before a request was free. */
  readonly dropped: number;
}

// Runs that end at once leave the event loop no turn: it gets one at least this often, for signals and progress.
const asyncTurnMs = 2;
const syncTurnMs = 50;

// What is still running when a loop has ended is waited for this long; once interrupted, the user wants to leave.
const patienceMs = 60_000;
const interruptedPatienceMs = 2000;

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Ends with `work`, or soon after the span has if a run never ends. */
async function patiently(work: Promise<void>, over: () => boolean, stopped: () => boolean): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<void>((resolve, reject) => {
    let since: number | null = null;
    timer = setInterval(() => {
      if (!over()) return;
      since ??= performance.now();
      const waited = performance.now() - since;
      if (stopped() && waited > interruptedPatienceMs) resolve();
      if (waited > patienceMs) {
        reject(
          new InferenceError(
            'ERR_TIMEOUT',
            `A run did not end within ${patienceMs / 1000} s after the benchmark's end.`,
            {
              remedy:
                'The device hangs, or the model is slower than that: measure with --warmup 1 and a longer --duration.',
            },
          ),
        );
      }
    }, 100);
  });
  try {
    await Promise.race([work, stuck]);
  } finally {
    clearInterval(timer);
  }
}

/** Starts the next run on each request as soon as its last one has ended. `sync` blocks this thread and takes one request. */
export async function closedLoop(
  requests: readonly InferenceRequest[],
  span: Span,
  sync: boolean,
  record: Record,
): Promise<void> {
  const begin = performance.now();
  const end = begin + (span.milliseconds ?? Infinity);
  const runs = span.runs ?? Infinity;
  const turnMs = sync ? syncTurnMs : asyncTurnMs;
  let started = 0;
  let failed = false;
  let lastTurn = begin;
  const over = (): boolean => failed || started >= runs || performance.now() >= end || span.stopped();
  const work = async (request: InferenceRequest): Promise<void> => {
    while (!over()) {
      started++;
      const start = performance.now();
      if (sync) request.runSync();
      else await request.run();
      const now = performance.now();
      record(now - start, request);
      if (now - lastTurn > turnMs) {
        await turn();
        lastTurn = performance.now();
      }
    }
  };
  const all = Promise.all(
    requests.map((request) =>
      work(request).catch((error: unknown) => {
        failed = true; // the others stop too
        throw error;
      }),
    ),
  );
  await patiently(
    all.then(() => undefined),
    over,
    span.stopped,
  );
}

/** Waits until a time of performance.now(), to some 10 µs: timers come up to 1 ms late, so the last stretch is polled. */
async function waitUntil(time: number, stopped: () => boolean): Promise<void> {
  for (;;) {
    const left = time - performance.now();
    if (left <= 0 || stopped()) return turn();
    // Short sleeps, so that an interrupt is heard even between rare frames.
    if (left > 3) await new Promise((resolve) => setTimeout(resolve, Math.min(left - 2, 100)));
    else await turn();
  }
}

/**
 * A frame arrives every 1000 / `rate` ms, whether or not a request is free. It waits for one; while it waits, a newer
 * frame takes its place. Latency counts from the time at which the frame was due.
 */
export async function fixedArrivals(
  requests: readonly InferenceRequest[],
  rate: number,
  span: Span,
  record: Record,
): Promise<Arrivals> {
  const period = 1000 / rate;
  const free = [...requests];
  const waiting: number[] = [];
  let frames = 0;
  let late = 0;
  let dropped = 0;
  let arrivalsOver = false;
  let ended: () => void = () => undefined;
  let failed: (error: unknown) => void = () => undefined;
  let failure = false;
  const drained = new Promise<void>((resolve, reject) => {
    ended = resolve;
    failed = reject;
  });
  drained.catch(() => undefined); // heard below

  const pump = (): void => {
    while (waiting.length > 0 && !failure) {
      const request = free.pop();
      if (request === undefined) break;
      start(waiting.shift() ?? 0, request);
    }
    if (arrivalsOver && free.length === requests.length) ended();
  };
  const start = (due: number, request: InferenceRequest): void => {
    request.run().then(
      () => {
        const latency = performance.now() - due;
        if (latency > period) late++;
        record(latency, request);
        free.push(request);
        pump();
      },
      (error: unknown) => {
        failure = true;
        failed(error);
      },
    );
  };

  const stopped = (): boolean => failure || span.stopped();
  const begin = performance.now();
  // Frames that are due before the end; the subtrahend is for what rounding adds to a whole number.
  const due = Math.ceil(((span.milliseconds ?? Infinity) * rate) / 1000 - 1e-6);
  const total = Math.min(span.runs ?? Infinity, Math.max(due, 1));
  while (frames < total && !stopped()) {
    await waitUntil(begin + frames * period, stopped);
    if (stopped()) break;
    // All that are due by now, oldest first: after a hold-up there may be several.
    for (; frames < total && begin + frames * period <= performance.now(); frames++) {
      waiting.push(begin + frames * period);
      // A camera keeps its newest frame; those beyond what can start now, and one that waits, are gone.
      while (waiting.length > Math.max(free.length, 1)) {
        waiting.shift();
        dropped++;
      }
    }
    pump();
  }
  arrivalsOver = true;
  pump();
  await patiently(drained, () => true, span.stopped);
  return { frames, late, dropped };
}
