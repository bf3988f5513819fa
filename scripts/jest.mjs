// Runs jest in a process of its own and records what came of it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { parseJest, resultsFolder, writeResult } from './results.mjs';
import { dependencyProgram, root } from './root.mjs';

/** Runs jest, with this Node or another, and records its result. Rejects where it cannot be started. */
export async function runJest(name, args, env = {}, node = process.execPath) {
  fs.mkdirSync(resultsFolder, { recursive: true });
  const report = path.join(root, 'build', `${name}-report.json`);
  fs.rmSync(report, { force: true });
  // --expose-gc: the tests about garbage collection call it.
  const command = ['--expose-gc', dependencyProgram('jest'), '--json', `--outputFile=${report}`, ...args];
  const options = { cwd: root, stdio: ['ignore', 'ignore', 2], env: { ...process.env, ...env } };
  const [code, signal] = await once(spawn(node, command, options), 'close');
  const parsed = fs.existsSync(report)
    ? parseJest(JSON.parse(fs.readFileSync(report, 'utf8')))
    : { passed: 0, failed: ['jest wrote no report'], skipped: [] };
  if (code !== 0 && parsed.failed.length === 0) parsed.failed.push(`jest ended with ${signal ?? `code ${code}`}`);
  writeResult(name, parsed);
}
