/** A clock for tests of loops that wait: it stands still while they work and jumps ahead while they wait. */

interface Timer {
  at: number;
  readonly every: number | null;
  readonly work: () => void;
}

// What looking at the time costs, and a turn of the event loop: loops that poll get on, and end.
const readingMs = 0.001;
const turnMs = 0.01;

/** In the place of the timers and of `performance.now()` for each test of the file that makes it. */
export class VirtualClock {
  now = 0;
  #timers: Timer[] = [];
  #immediates: (() => void)[] = [];

  constructor() {
    beforeEach(() => {
      this.now = 0;
      this.#timers = [];
      this.#immediates = [];
      const add = (work: () => void, ms: number, every: number | null): Timer => {
        const timer = { at: this.now + Math.max(ms, 1), every, work };
        this.#timers.push(timer);
        return timer;
      };
      const remove = (timer: unknown): void => void (this.#timers = this.#timers.filter((one) => one !== timer));
      const replaced = {
        setTimeout: (work: () => void, ms = 1) => add(work, ms, null),
        setInterval: (work: () => void, ms = 1) => add(work, ms, Math.max(ms, 1)),
        setImmediate: (work: () => void) => this.#immediates.push(work),
        clearTimeout: remove,
        clearInterval: remove,
      };
      for (const [name, work] of Object.entries(replaced)) {
        jest.spyOn(globalThis, name as 'setTimeout').mockImplementation(work as unknown as typeof setTimeout);
      }
      jest.spyOn(performance, 'now').mockImplementation(() => (this.now += readingMs));
    });
    afterEach(() => jest.restoreAllMocks());
  }

  /** Time passes without a turn of the event loop, as in a call that blocks. */
  block(ms: number): void {
    this.now += ms;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Lets time pass until the promise has settled. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const end = (): void => void (settled = true);
    promise.then(end, end);
    for (;;) {
      await macrotask();
      if (settled) return promise;
      this.#turn();
    }
  }

  /** As libuv does: what is due, then the immediates; with neither, on to the next timer. */
  #turn(): void {
    if (this.#immediates.length === 0) {
      const next = Math.min(...this.#timers.map(({ at }) => at));
      if (next === Infinity) throw new Error('Nothing is left to wait for.');
      this.now = Math.max(this.now, next);
    }
    const due = this.#timers.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at);
    for (const timer of due) {
      if (timer.every === null) this.#timers = this.#timers.filter((one) => one !== timer);
      else timer.at = this.now + timer.every;
      timer.work();
    }
    const immediates = this.#immediates.splice(0);
    if (immediates.length > 0) this.now += turnMs;
    for (const work of immediates) work();
  }
}

const realSetImmediate = setImmediate;
/** All microtasks have run then. */
const macrotask = (): Promise<void> => new Promise((resolve) => realSetImmediate(resolve));
