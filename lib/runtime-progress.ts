/** Shows an installation's progress: a bar on a terminal, else one line per part. Never on stdout. */
import type { RuntimeProgress } from './runtimes.js';

const width = 30;

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** A listener for `installRuntime`'s `onProgress`. */
export function runtimeProgress(stream: NodeJS.WriteStream = process.stderr): (progress: RuntimeProgress) => void {
  let announced = '';
  return (progress) => {
    const name = `${progress.id} ${progress.version}`;
    if (!stream.isTTY) {
      if (announced === name) return;
      announced = name;
      stream.write(
        `Fetching ${name} (${megabytes(progress.total)} MB, ${progress.licence}) with ${progress.client} into ${progress.directory}\n`,
      );
      return;
    }
    const filled = Math.round((width * progress.bytes) / progress.total);
    const bar = '█'.repeat(filled) + '░'.repeat(width - filled);
    const done = `${megabytes(progress.bytes)}/${megabytes(progress.total)} MB`;
    const stage = { download: '', unpack: ' unpacking', done: ' done' }[progress.stage];
    // Carriage return and "erase to the end of the line": the bar stays on one line.
    stream.write(`\r${name} ${bar} ${done}${stage}\u001b[K${progress.stage === 'done' ? '\n' : ''}`);
  };
}
