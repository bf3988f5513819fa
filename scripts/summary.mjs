// Sums the results of all runners into one line; a skipped test that test/skips.json does not list is a failure.
import fs from 'node:fs';
import path from 'node:path';
import { readResults } from './results.mjs';
import { isMain, main, root } from './root.mjs';

/** Prints `N passed, N failed, N skipped` and what failed. Returns an exit code. */
export function summarize(runners, { strictSkips = false } = {}) {
  const listed = JSON.parse(fs.readFileSync(path.join(root, 'test', 'skips.json'), 'utf8')).skips;
  const sums = { passed: 0, failed: 0, skipped: 0 };
  let unlisted = 0;
  for (const { runner, passed, failed, skipped } of readResults(runners)) {
    sums.passed += passed;
    sums.failed += failed.length;
    sums.skipped += skipped.length;
    for (const name of failed) console.log(`failed   ${runner}: ${name}`);
    for (const name of skipped) {
      const reason = listed.find((entry) => name.startsWith(entry.test))?.reason;
      if (reason === undefined) unlisted++;
      console.log(`skipped  ${runner}: ${name} (${reason ?? 'not listed in test/skips.json'})`);
    }
  }
  if (unlisted > 0 && strictSkips) console.log(`${unlisted} skipped without a reason in test/skips.json`);
  console.log(`${sums.passed} passed, ${sums.failed} failed, ${sums.skipped} skipped`);
  return sums.failed > 0 || sums.passed === 0 || (strictSkips && unlisted > 0) ? 1 : 0;
}

if (isMain(import.meta.url))
  await main(() => summarize(undefined, { strictSkips: process.argv.includes('--strict-skips') }));
