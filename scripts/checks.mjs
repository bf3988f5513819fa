// The smallest test runner: named checks in order, one line each, counted like the tests of the other runners.
import { clearResults, writeResult } from './results.mjs';
import { summarize } from './summary.mjs';

export class Checks {
  constructor(runner) {
    this.runner = runner;
    this.result = { passed: 0, failed: [], skipped: [] };
    clearResults([runner]);
  }

  /** Runs one check; what it throws is its failure. */
  async check(name, work) {
    try {
      await work();
      this.result.passed++;
      console.error(`ok    ${name}`);
    } catch (error) {
      this.result.failed.push(name);
      console.error(`FAIL  ${name}\n${error?.message ?? error}`);
    }
  }

  skip(name) {
    this.result.skipped.push(name);
    console.error(`skip  ${name}`);
  }

  /** Records the result and prints the summed line. Returns an exit code. */
  end() {
    writeResult(this.runner, this.result);
    return summarize([this.runner]);
  }
}
