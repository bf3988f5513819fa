/** Programs in a process of their own, against the built package: for what must not happen in the test's process. */
import { spawn } from 'node:child_process';
import path from 'node:path';

export const root = path.join(__dirname, '..', '..');

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the text of an asynchronous function's body; `edge` is the package. A program that hangs is killed: SIGKILL. */
export function runProgram(body: string, env: NodeJS.ProcessEnv = {}, timeoutMs = 150_000): Promise<Ended> {
  const text = `const edge = require(${JSON.stringify(path.join(root, 'dist', 'index.js'))});
    (async () => {${body}})().catch((error) => { console.error(error); process.exit(99); });`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['-e', text], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
