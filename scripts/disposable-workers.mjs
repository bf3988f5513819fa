// Runs many jobs in child processes that may die of any of them: a death is that job's result, and the rest goes on.
// The protocol: a job is a line of JSON on the child's stdin, its answer a line of JSON on the child's descriptor 3.
import { spawn } from 'node:child_process';

const wordsKept = 2000;

/** One child and what is known of it. */
class Worker {
  constructor(command, args, options) {
    this.child = spawn(command, args, { ...options, stdio: ['pipe', 'ignore', 'pipe', 'pipe'] });
    this.words = '';
    this.answer = null; // of the job in progress: a promise's resolve
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code, signal) => resolve({ code, signal }));
    });
    this.child.stdin.on('error', () => undefined); // a dead child is heard of by its end
    this.child.stderr.setEncoding('utf8').on('data', (text) => {
      this.words = (this.words + text).slice(-wordsKept);
    });
    let rest = '';
    this.child.stdio[3].setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) this.answer?.({ outcome: 'answered', value: JSON.parse(line) });
    });
  }

  death({ code, signal }) {
    return { outcome: 'crashed', how: signal ?? `exit code ${code}`, words: this.words.trim() };
  }

  /** The outcome of one job; after anything but an answer the child is gone. */
  async run(job, timeoutMs) {
    const answered = new Promise((resolve) => (this.answer = resolve));
    this.child.stdin.write(`${JSON.stringify(job)}\n`);
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, timeoutMs, { outcome: 'timed out' })));
    const result = await Promise.race([answered, this.ended.then((end) => this.death(end)), late]);
    clearTimeout(timer);
    this.answer = null;
    if (result.outcome === 'timed out') {
      this.child.kill('SIGKILL');
      await this.ended;
    }
    return result;
  }

  /** Lets the child end by itself; what it does instead of a clean end, or null. */
  async end(timeoutMs) {
    this.child.stdin.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), timeoutMs);
    const end = await this.ended;
    clearTimeout(timer);
    return end.code === 0 ? null : this.death(end);
  }
}

/**
 * The outcomes of all jobs, in their order: `answered` with the child's `value`, `crashed` with `how` it died and its last
 * `words` on stderr, or `timed out`. A child that does not end cleanly after its jobs died of the last
 * one. `perChild`: how many jobs a child is given before it is replaced.
 */
export async function runInChildren(jobs, { command, args, timeoutMs, perChild = Infinity, onResult, ...options }) {
  const results = [];
  let worker = null;
  let given = 0;
  const retire = async () => {
    const death = await worker.end(timeoutMs);
    worker = null;
    if (death !== null) results[results.length - 1] = death;
  };
  for (const job of jobs) {
    if (worker !== null && given >= perChild) await retire();
    if (worker === null) {
      worker = new Worker(command, args, options);
      given = 0;
    }
    const result = await worker.run(job, timeoutMs);
    given++;
    if (result.outcome !== 'answered') worker = null;
    results.push(result);
    onResult?.(result, job);
  }
  if (worker !== null) await retire();
  return results;
}
