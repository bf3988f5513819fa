/** Frames for streams over echo models that add one, sources of them, and what became of them. */
import type { Model } from '../../lib/index.js';
import type { DroppedFrame, StreamOptions, StreamResult } from '../../lib/types.js';
import { numbers } from './values.js';

export interface Frame {
  readonly x: Float32Array;
}

export function frame(value: number): Frame {
  return { x: Float32Array.of(value) };
}

export function frames(count: number): Frame[] {
  return Array.from({ length: count }, (_, i) => frame(i));
}

/** A source that gives frames when the test says so, and tells what the stream does to it. */
export class Source implements AsyncIterator<Frame> {
  asked = 0;
  returned = 0;
  readonly #ready: IteratorResult<Frame>[] = [];
  #waiting: ((result: IteratorResult<Frame>) => void) | null = null;

  constructor(private readonly endless = false) {}

  [Symbol.asyncIterator](): this {
    return this;
  }
  next(): Promise<IteratorResult<Frame>> {
    const value = frame(this.asked++);
    if (this.endless) return Promise.resolve({ done: false, value });
    const ready = this.#ready.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    return new Promise((resolve) => (this.#waiting = resolve));
  }
  return(): Promise<IteratorResult<Frame>> {
    this.returned++;
    return Promise.resolve({ done: true, value: undefined });
  }
  push(value: number): void {
    const result = { done: false, value: frame(value) } as const;
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#ready.push(result);
    else waiting(result);
  }
}

export interface Seen {
  readonly results: StreamResult<Frame>[];
  readonly drops: DroppedFrame[];
}

/** Reads a stream to its end; every result must be its frame's. */
export async function all(
  model: Model,
  source: Iterable<Frame> | AsyncIterable<Frame>,
  options: StreamOptions<Frame> = {},
): Promise<Seen> {
  const drops: DroppedFrame[] = [];
  const results: StreamResult<Frame>[] = [];
  for await (const result of model.stream(source, { onDrop: (drop) => void drops.push(drop), ...options })) {
    expect(numbers(result.outputs['y']!.data)[0]).toBe(result.frame.x[0]! + 1);
    results.push(result);
  }
  return { results, drops };
}

export const indices = (list: readonly { readonly index: number }[]): number[] => list.map(({ index }) => index);
