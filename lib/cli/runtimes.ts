/** `edge-infer runtimes`: fetches, lists and verifies the SDK libraries that this version of edge-infer is pinned to. */
import { InferenceError } from '../errors.js';
import { installRuntime, listRuntimes, verifyRuntime, type RuntimeProgress } from '../runtimes.js';
import { UsageError } from './args.js';
import type { Command } from './command.js';
import { Interrupt } from './interrupt.js';
import { bytesText, errorJson, exitCodeOf, exitCodes, table, type Result } from './output.js';
import type { Ui } from './ui.js';

/** What is fetched when nothing is named: what users run on, as far as it exists for this platform. */
function defaultIds(): string[] {
  const runtimes = listRuntimes().filter((runtime) => runtime.for === 'use' && runtime.available);
  if (runtimes.length > 0) return runtimes.map((runtime) => runtime.id);
  throw new InferenceError('ERR_UNAVAILABLE', `No runtime is pinned for ${process.platform}-${process.arch}.`, {
    remedy: 'Install the SDK by other means; `edge-infer doctor` shows where it is looked for.',
  });
}

function progressOn(ui: Ui): (progress: RuntimeProgress) => void {
  return ({ id, version, stage, bytes, total }) => {
    const rest = stage === 'unpack' ? 'unpacking' : `${bytesText(bytes)} of ${bytesText(total)}`;
    if (stage !== 'done') ui.progress(`${id} ${version}`, total > 0 ? bytes / total : 0, rest);
  };
}

async function install(id: string | undefined, ui: Ui): Promise<Result> {
  // Aborting removes what was half fetched.
  const controller = new AbortController();
  const interrupt = new Interrupt(() => controller.abort(new Error('Interrupted.')));
  try {
    const installed = [];
    const failures: unknown[] = [];
    for (const one of id === undefined ? defaultIds() : [id]) {
      try {
        installed.push(await installRuntime(one, { onProgress: progressOn(ui), signal: controller.signal }));
      } catch (error) {
        // One that cannot be had keeps nobody from the others.
        if (interrupt.requested || id !== undefined) throw error;
        failures.push(error);
      }
    }
    const lines = installed.map(({ id: name, version, fetched, directory, licence }) => {
      return `${name} ${version} (${licence}) ${fetched ? 'installed in' : 'is there already:'} ${directory}`;
    });
    const [first] = failures;
    return {
      json: { runtimes: installed, failed: failures.map((error) => errorJson(error)) },
      text: lines.join('\n'),
      ...(first !== undefined && { failure: { exitCode: exitCodeOf(first), error: errorJson(first) } }),
    };
  } catch (error) {
    if (!interrupt.requested) throw error;
    const failure = {
      code: 'ERR_INTERRUPTED',
      message: 'Interrupted: nothing was installed.',
      remedy: 'Run it again.',
    };
    return { json: {}, text: '', failure: { exitCode: exitCodes.failed, error: failure } };
  } finally {
    ui.clear();
    interrupt.release();
  }
}

function list(): Result {
  const runtimes = listRuntimes();
  const rows = runtimes.map((runtime) => [
    runtime.id,
    runtime.version,
    runtime.licence,
    runtime.for === 'use' ? '' : 'for tests',
    runtime.size === null ? `not for ${runtime.platform}` : bytesText(runtime.size),
    runtime.directory ?? 'not installed',
  ]);
  return { json: { runtimes }, text: table(rows) };
}

async function verify(id: string | undefined): Promise<Result> {
  const installed = listRuntimes().filter((runtime) => runtime.directory !== null);
  const ids = id === undefined ? installed.map((runtime) => runtime.id) : [id];
  const runtimes = [];
  for (const one of ids) runtimes.push(await verifyRuntime(one));
  const lines = runtimes.map(({ id: name, version, ok, problems }) => {
    return `${name} ${version}: ${ok ? 'unchanged' : problems.join('; ')}`;
  });
  const bad = runtimes.filter((runtime) => !runtime.ok);
  const result = { json: { runtimes }, text: lines.length > 0 ? lines.join('\n') : 'No runtime is installed.' };
  if (bad.length === 0) return result;
  const names = bad.map((runtime) => runtime.id);
  const error = {
    code: 'ERR_CHECK_FAILED',
    message: `Not as it was installed: ${names.join(', ')}.`,
    remedy: `Remove its folder, then run: edge-infer runtimes install ${names[0] ?? ''}`,
  };
  return { ...result, failure: { exitCode: exitCodes.checkFailed, error } };
}

export const runtimes: Command = {
  name: 'runtimes',
  summary: 'Fetches, lists or verifies the SDK libraries that this version is pinned to.',
  positionals: ['install|list|verify', '[ID]'],
  options: {},
  notes: `
install [ID]   fetches a runtime and checks it; without ID all that are for use on this platform
list           what is pinned, and what is installed where
verify [ID]    compares installed files with what was fetched; ends with code 5 where they differ`,
  async run(args, ui) {
    const [action, id] = [args.positional(0), args.positional(1)];
    if (action === 'install') return install(id, ui);
    if (action === 'verify') return verify(id);
    if (action !== 'list') throw new UsageError(`Expected install, list or verify, got '${action ?? ''}'.`);
    if (id !== undefined) throw new UsageError(`Unexpected argument '${id}'.`);
    return list();
  },
};
