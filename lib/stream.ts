/** Frames in, results out in the same order: bounded, with a policy for frames that come too fast. */
import { InferenceError } from './errors.js';
import { abortReason, deadlineOption, integerOption, oneOf, signalOption } from './options.js';
import type { Model } from './model.js';
import type { DroppedFrame, Inputs, Outputs, StreamOptions, StreamResult, Timings } from './types.js';

interface Arrived<Frame> {
  readonly index: number;
  readonly frame: Frame;
  readonly timestamp: number;
  /** performance.now() at arrival; deadlines count from here. */
  readonly arrival: number;
}

interface Started<Frame> extends Arrived<Frame> {
  outcome: { outputs: Outputs } | { error: Error } | null;
}

type Ended<Frame> = Started<Frame> & { outcome: { outputs: Outputs } };

/** One stream at work. Frames wait in `waiting`, are computed in `started`, and leave from its head. */
class Stream<Frame> {
  readonly #waiting: Arrived<Frame>[] = [];
  readonly #started: Started<Frame>[] = [];
  readonly #abort = new AbortController();
  readonly #overload: 'wait' | 'drop-oldest' | 'drop-newest';
  readonly #capacity: number;
  readonly #inFlight: number;
  readonly #deadlineMs: number;
  readonly #signal: AbortSignal | undefined;
  #index = 0;
  #droppedSince = 0;
  #over = false;
  #sourceError: { error: unknown } | null = null;
  #wake: () => void = () => undefined;
  #wakeSource: () => void = () => undefined;

  constructor(
    private readonly model: Model,
    private readonly options: StreamOptions<Frame>,
    private readonly onDropped: () => void,
  ) {
    this.#overload = oneOf('overload', options.overload, ['wait', 'drop-oldest', 'drop-newest'], 'wait');
    this.#capacity = integerOption('capacity', options.capacity, 1, 1 << 20, 2);
    this.#inFlight = integerOption('inFlight', options.inFlight, 1, 1 << 20, model.info.inFlight);
    this.#deadlineMs = deadlineOption(options.deadlineMs);
    this.#signal = signalOption(options.signal);
  }

  async *results(
    source: Iterable<Frame> | AsyncIterable<Frame>,
    timingsOf: (outputs: Outputs) => Timings,
  ): AsyncGenerator<StreamResult<Frame>, void, undefined> {
    const onAbort = (): void => {
      this.#abort.abort();
      this.#wake();
    };
    if (this.#signal?.aborted === true) throw abortReason(this.#signal);
    this.#signal?.addEventListener('abort', onAbort, { once: true });
    const iterator = iteratorOf(source);
    void this.#pump(iterator);
    try {
      for (;;) {
        const ended = await this.#next();
        if (ended === null) return;
        const { index, timestamp, frame } = ended;
        const { outputs } = ended.outcome;
        const dropped = this.#droppedSince;
        this.#droppedSince = 0;
        yield { index, timestamp, frame, outputs, timings: timingsOf(outputs), dropped };
      }
    } finally {
      this.#over = true;
      this.#signal?.removeEventListener('abort', onAbort);
      this.#abort.abort();
      this.#wakeSource();
      // Not awaited: a source that waits for a camera would hold the consumer's `break` up.
      Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
  }

  /** The next result in order; null at the end. */
  async #next(): Promise<Ended<Frame> | null> {
    for (;;) {
      if (this.#signal?.aborted === true) throw abortReason(this.#signal);
      const head = this.#started[0];
      if (head?.outcome != null) {
        this.#started.shift();
        this.#startWaiting();
        if ('outputs' in head.outcome) return head as Ended<Frame>;
        this.#handle(head, head.outcome.error);
        await turn(); // frames that fail at once, one after the other, would leave nobody else a turn
        continue;
      }
      if (head === undefined && this.#over && this.#waiting.length === 0) {
        if (this.#sourceError !== null) throw this.#sourceError.error;
        return null;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** A frame whose run failed: late ones are drops, others the caller's business. Without the model there is no next. */
  #handle(frame: Arrived<Frame>, error: Error): void {
    const code = error instanceof InferenceError ? error.code : undefined;
    if (code === 'ERR_TIMEOUT' && this.#deadlineMs >= 0) {
      this.#drop(frame, 'deadline');
    } else if (this.options.onError !== undefined && code !== 'ERR_DISPOSED') {
      this.#drop(frame, 'error', error);
      this.options.onError(error, { index: frame.index, timestamp: frame.timestamp });
    } else {
      throw error;
    }
  }

  #drop(frame: Arrived<Frame>, reason: DroppedFrame['reason'], error?: Error): void {
    this.#droppedSince++;
    this.onDropped();
    const { index, timestamp } = frame;
    this.options.onDrop?.(error === undefined ? { index, timestamp, reason } : { index, timestamp, reason, error });
  }

  /** Takes frames from the source until it ends or the stream does. */
  async #pump(iterator: Iterator<Frame> | AsyncIterator<Frame>): Promise<void> {
    try {
      while (!this.#over) {
        if (this.#overload === 'wait' && this.#waiting.length >= this.#capacity) {
          await new Promise<void>((resolve) => (this.#wakeSource = resolve));
          continue;
        }
        const next = await iterator.next();
        if (next.done === true || this.#over) break;
        this.#arrive(next.value);
        // A source that never waits would leave results, timers and I/O no turn, unless its frames wait for runs.
        if (this.#overload !== 'wait' || this.#started.length === 0) await turn();
      }
    } catch (error) {
      this.#sourceError = { error };
    }
    this.#over = true;
    this.#wake();
  }

  #arrive(frame: Frame): void {
    const arrival = performance.now();
    const timestamp = this.options.timestamp === undefined ? arrival : this.options.timestamp(frame);
    const arrived: Arrived<Frame> = { index: this.#index++, frame, timestamp, arrival };
    if (this.#waiting.length >= this.#capacity) {
      if (this.#overload === 'drop-newest') return this.#drop(arrived, 'drop-newest');
      const oldest = this.#waiting.shift();
      if (oldest !== undefined) this.#drop(oldest, 'drop-oldest');
    }
    this.#waiting.push(arrived);
    this.#startWaiting();
  }

  /** Results that nobody has taken yet count as in flight: a slow consumer slows the stream, it does not fill memory. */
  #startWaiting(): void {
    while (this.#started.length < this.#inFlight) {
      const arrived = this.#waiting.shift();
      if (arrived === undefined) break;
      this.#wakeSource();
      const left = this.#deadlineMs < 0 ? -1 : this.#deadlineMs - (performance.now() - arrived.arrival);
      if (this.#deadlineMs >= 0 && left <= 0) {
        this.#drop(arrived, 'deadline');
        continue;
      }
      const started: Started<Frame> = { ...arrived, outcome: null };
      this.#started.push(started);
      void this.#compute(started, left);
    }
  }

  async #compute(started: Started<Frame>, left: number): Promise<void> {
    try {
      const { frame } = started;
      const inputs = this.options.inputs === undefined ? (frame as unknown as Inputs) : this.options.inputs(frame);
      const { signal } = this.#abort;
      started.outcome = { outputs: await this.model.run(inputs, left < 0 ? { signal } : { signal, deadlineMs: left }) };
    } catch (error) {
      started.outcome = { error: error as Error };
    }
    this.#wake();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function iteratorOf<Frame>(source: Iterable<Frame> | AsyncIterable<Frame>): Iterator<Frame> | AsyncIterator<Frame> {
  const both = source as Partial<Iterable<Frame> & AsyncIterable<Frame>> | null | undefined;
  const iterator = both?.[Symbol.asyncIterator]?.() ?? both?.[Symbol.iterator]?.();
  if (iterator === undefined) {
    throw new InferenceError('ERR_INVALID_ARGUMENT', 'Expected the frames of a stream to be iterable.', {
      remedy: 'Pass an array, a generator, an async generator or a Readable.',
    });
  }
  return iterator;
}

export function runStream<Frame>(
  model: Model,
  frames: Iterable<Frame> | AsyncIterable<Frame>,
  options: StreamOptions<Frame>,
  timingsOf: (outputs: Outputs) => Timings,
  onDropped: () => void,
): AsyncGenerator<StreamResult<Frame>, void, undefined> {
  return new Stream(model, options, onDropped).results(frames, timingsOf);
}
