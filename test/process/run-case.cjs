// Runs one case of cases.cjs in a process of its own, with any node binary, and says what is wrong with how it ended.
'use strict';
const { spawn } = require('child_process');
const path = require('path');

// What a crash looks like on stderr, however the process ended.
const crashed =
  /terminate called|segmentation|fatal|pure virtual|double free|corrupt|assertion|\babort(ed)?\b|core dumped|stack smashing|munmap_chunk|free\(\)|malloc\(\)|AddressSanitizer|ThreadSanitizer/i;

/**
 * Resolves to { problems, seconds, facts, stderr }: no problems is a pass; `facts` is the JSON line that the program
 * printed. A process that does not end in time is killed, which is a problem.
 */
function runCase(node, one, env = process.env) {
  const program = path.join(__dirname, 'programs', one.program);
  return new Promise((resolve) => {
    const began = performance.now();
    const child = spawn(node, [...(one.flags || []), program, ...(one.args || [])], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let late = null;
    const limit = (seconds, since) =>
      setTimeout(() => {
        late = `it had not ended ${seconds} s after ${since}`;
        child.kill('SIGKILL');
      }, seconds * 1000);
    const timers = [limit(one.within, 'its start')];
    child.stdout.on('data', (data) => {
      if (stdout === '' && one.endsWithin !== undefined) timers.push(limit(one.endsWithin, 'it wanted to'));
      stdout += data;
    });
    child.stderr.on('data', (data) => (stderr += data));
    child.once('error', (error) => (stderr += String(error)));
    child.once('close', (status, signal) => {
      timers.forEach(clearTimeout);
      const problems = [];
      if (late !== null) problems.push(late);
      else if (status !== one.expect.status || signal !== one.expect.signal) {
        problems.push(`it ended with ${signal || status}, not with ${one.expect.signal || one.expect.status}`);
      }
      const facts = parse(stdout);
      if (facts === null) problems.push(`it did not print one JSON line but ${JSON.stringify(stdout.slice(0, 500))}`);
      else if (facts.ok !== true) problems.push(`its verdict is ${JSON.stringify(facts)}`);
      if (one.stderr !== undefined ? !one.stderr.test(stderr) : stderr.trim() !== '') {
        problems.push(`its stderr is ${JSON.stringify(stderr.slice(0, 2000))}`);
      } else if (crashed.test(stderr)) {
        problems.push(`it speaks of a crash: ${JSON.stringify(stderr.slice(0, 2000))}`);
      }
      resolve({ problems, seconds: (performance.now() - began) / 1000, facts, stderr });
    });
  });
}

/** The program's only line; null where there is none or there are more. */
function parse(stdout) {
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== 1) return null;
  try {
    return JSON.parse(lines[0]);
  } catch {
    return null;
  }
}

module.exports = { runCase };
