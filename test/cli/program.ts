// Runs the built program `edge-infer` as users do, in a process of its own.
import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const program = path.join(__dirname, '..', '..', 'dist', 'cli', 'main.js');

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Options {
  readonly cwd?: string;
  /** Added to the environment; undefined removes. */
  readonly env?: Record<string, string | undefined>;
  /** Default: the built one. */
  readonly program?: string;
  /** Called once the process has been started. */
  readonly during?: (child: ChildProcess) => void;
}

export function edgeInfer(args: readonly string[], options: Options = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [options.program ?? program, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    options.during?.(child);
  });
}

/** The result of a command with `--json`. Fails where stdout is anything but one JSON value. */
export async function edgeInferJson<T = Record<string, unknown>>(
  args: readonly string[],
  options: Options = {},
): Promise<Ended & { readonly json: T }> {
  const ended = await edgeInfer([...args, '--json'], options);
  try {
    return { ...ended, json: JSON.parse(ended.stdout) as T };
  } catch (error) {
    throw new Error(`stdout is no JSON: ${ended.stdout}\nstderr: ${ended.stderr}`, { cause: error });
  }
}

export function temporaryFolder(): string {
  return fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'edge-cli-')));
}

/** Writes an echo model: its text without the first line. */
export function echoModel(folder: string, text: string, name = 'model.echo'): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, `echo 1\n${text}\n`);
  return file;
}

export const onEcho = ['--device', 'echo:cpu'] as const;
