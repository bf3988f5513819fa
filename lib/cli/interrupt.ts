/** Ctrl-C and SIGTERM as a wish to end: the first one is heard, the second one ends the program. */

const signals = ['SIGINT', 'SIGTERM'] as const;

export class Interrupt {
  #requested = false;
  readonly #listener: () => void;

  /** `onRequest` is called once, on the JS thread. */
  constructor(onRequest: () => void = () => undefined) {
    this.#listener = () => {
      this.#requested = true;
      this.release();
      onRequest();
    };
    for (const signal of signals) process.on(signal, this.#listener);
  }

  get requested(): boolean {
    return this.#requested;
  }

  /** From here on both signals end the program again. */
  release(): void {
    for (const signal of signals) process.off(signal, this.#listener);
  }
}
