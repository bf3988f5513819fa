/** What a command says while it works: messages and, on a terminal only, a status line. All of it on stderr. */

/** Erases to the end of the line, so that a shorter status leaves nothing behind. */
const eraseLine = '\r\u001b[K';

export class Ui {
  readonly #stream: NodeJS.WriteStream;
  #shown = false;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  message(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** Replaces the status line; nothing where stderr is not a terminal. */
  status(text: string): void {
    if (!this.#stream.isTTY) return;
    // A line that wraps cannot be erased by a carriage return.
    this.#stream.write(`${eraseLine}${text.slice(0, Math.max((this.#stream.columns || 80) - 1, 20))}`);
    this.#shown = true;
  }

  /** A bar for the part of the work that is done, 0 to 1. */
  progress(label: string, part: number, rest = ''): void {
    const width = 30;
    const filled = Math.round(width * Math.min(Math.max(part, 0), 1));
    this.status(`${label} ${'█'.repeat(filled)}${'░'.repeat(width - filled)} ${rest}`);
  }

  clear(): void {
    if (this.#shown) this.#stream.write(eraseLine);
    this.#shown = false;
  }
}
