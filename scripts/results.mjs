// One form for the results of all test runners: build/results/<runner>.json with {runner, passed, failed, skipped}.
import fs from 'node:fs';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { root } from './root.mjs';

export const resultsFolder = path.join(root, 'build', 'results');

/** `failed` and `skipped` are lists of test names, `passed` is a number. Under the name of one that failed stands why. */
export function writeResult(runner, { passed, failed, skipped }) {
  fs.mkdirSync(resultsFolder, { recursive: true });
  const text = `${JSON.stringify({ runner, passed, failed, skipped }, null, 2)}\n`;
  fs.writeFileSync(path.join(resultsFolder, `${runner}.json`), text);
}

/** Forgets earlier results of these runners, or of all: what does not run must not count. */
export function clearResults(runners) {
  const names =
    runners ??
    (fs.existsSync(resultsFolder) ? fs.readdirSync(resultsFolder).map((name) => name.replace(/\.json$/, '')) : []);
  for (const name of names) fs.rmSync(path.join(resultsFolder, `${name}.json`), { force: true });
}

export function readResults(runners) {
  if (!fs.existsSync(resultsFolder)) return [];
  return fs
    .readdirSync(resultsFolder)
    .filter((name) => name.endsWith('.json') && (runners === undefined || runners.includes(name.slice(0, -5))))
    .sort()
    .map((name) => JSON.parse(fs.readFileSync(path.join(resultsFolder, name), 'utf8')));
}

/** The name with the first lines of why it failed, which the log's end may be all there is to tell. */
function withReason(name, text) {
  const plain = stripVTControlCharacters(text).split('\n');
  const lines = plain.map((line) => line.trim()).filter((line) => line !== '');
  return [name, ...lines.slice(0, 6).map((line) => `    ${line.slice(0, 300)}`)].join('\n');
}

/**
 * What ctest prints, as a result. Its text is the one form that every CMake since 3.18 has; the total that ctest gives
 * itself is checked against it, so that a line that is not understood cannot go unnoticed.
 */
export function parseCtest(text) {
  const result = { passed: 0, failed: [], skipped: [] };
  let seen = 0;
  const lines = text.split('\n');
  const isOfCtest = (line) => /^\s*(Start\s+\d+:|\d+\/\d+ Test\s+#)|^\d+% tests passed/.test(line);
  // With `--output-on-failure`; what gtest says on its way to the failure is left out.
  const outputAfter = (index) => {
    const end = lines.findIndex((line, i) => i > index && isOfCtest(line));
    const output = lines.slice(index + 1, end < 0 ? lines.length : end);
    return output.filter((line) => !/^(\[[ =\-A-Z]+\]|Note: Google Test|Running main)/.test(line)).join('\n');
  };
  for (const [index, line] of lines.entries()) {
    // `2/9 Test #2: Core.Half ....   Passed    0.01 sec`, `....***Failed    0.00 sec`
    const match = /^\s*\d+\/\d+ Test\s+#\d+: (.+?) \.+(?:\s+|\*\*\*)(.+?)\s+[\d.]+ sec/.exec(line);
    if (match === null) continue;
    seen++;
    const [, name, status] = match;
    if (status.startsWith('Passed')) result.passed++;
    else if (status.startsWith('Skipped')) result.skipped.push(name);
    else result.failed.push(withReason(name, outputAfter(index)));
  }
  const total = Number(/tests failed out of (\d+)/.exec(text)?.[1] ?? 0);
  if (total !== seen) result.failed.push(`ctest ran ${total} tests, but ${seen} of its lines were understood`);
  if (total === 0) result.failed.push('ctest ran no test');
  return result;
}

/** jest's JSON as a result. A test file that does not even start counts as one failure. */
export function parseJest(report) {
  const result = { passed: 0, failed: [], skipped: [] };
  for (const file of report.testResults) {
    const name = path.relative(root, file.name);
    if (file.assertionResults.length === 0 && file.status === 'failed') {
      result.failed.push(withReason(`${name} (does not run)`, file.message ?? ''));
    }
    for (const test of file.assertionResults) {
      if (test.status === 'passed') result.passed++;
      else if (test.status === 'failed') {
        result.failed.push(withReason(`${name}: ${test.fullName}`, (test.failureMessages ?? []).join('\n')));
      } else result.skipped.push(`${name}: ${test.fullName}`);
    }
  }
  return result;
}
