/** `edge-infer cache`: lists, verifies and removes the compiled models that loads with `cache` have kept. */
import path from 'node:path';
import { clearCache, listCache, userCacheDirectory, type CacheEntry } from '../cache.js';
import { UsageError, type Args } from './args.js';
import type { Command } from './command.js';
import { bytesText, exitCodes, table, type Result } from './output.js';

function nameOf({ backend, key }: CacheEntry): string {
  return `${backend} ${key.slice(0, 12)}`;
}

/** Names of folders are whatever somebody called them. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?');
}

/** The model is told by its file where it was one, else by its checksum. */
function factsText({ facts }: CacheEntry): string {
  const { file, model, ...others } = facts;
  const subject = file !== undefined ? path.basename(file) : model !== undefined ? `model ${model.slice(0, 12)}` : '';
  const rest = ['device', 'precision', 'release'].flatMap((name) => (others[name] ? [`${name} ${others[name]}`] : []));
  return [subject, ...rest].filter((part) => part !== '').join(', ');
}

function stateText({ state, reason }: CacheEntry): string {
  return reason === '' ? state : `${state}: ${reason}`;
}

function list(directory: string): Result {
  const entries = listCache(directory);
  const rows = entries.map((entry) => [
    nameOf(entry),
    bytesText(entry.bytes),
    entry.lastUsed?.replace(/\.\d+Z$/, 'Z') ?? '',
    stateText(entry),
    factsText(entry),
  ]);
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  const text = `${table(rows)}\n${bytesText(total)} in ${directory}`;
  return { json: { directory, entries }, text: printableLines(entries.length > 0 ? text : nothing(directory)) };
}

function nothing(directory: string): string {
  return `No compiled model is kept in ${directory}.`;
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

function verify(directory: string): Result {
  const entries = listCache(directory, true);
  const lines = entries.map((entry) => {
    return `${nameOf(entry)}: ${stateText(entry)}${entry.state === 'damaged' ? '; loading makes it anew' : ''}`;
  });
  const text = printableLines(lines.length > 0 ? lines.join('\n') : nothing(directory));
  const result = { json: { directory, entries }, text };
  const damaged = entries.filter(({ state }) => state === 'damaged');
  if (damaged.length === 0) return result;
  const error = {
    code: 'ERR_CHECK_FAILED',
    message: `Not as it was kept: ${printable(damaged.map(nameOf).join(', '))}.`,
    remedy:
      'Nothing of it is used: loading the model makes it anew. To remove everything that is kept: edge-infer cache clear',
  };
  return { ...result, failure: { exitCode: exitCodes.checkFailed, error } };
}

function clear(directory: string, backend: string | undefined): Result {
  const { removed, left } = clearCache(directory, backend);
  const bytes = removed.reduce((sum, entry) => sum + entry.bytes, 0);
  const lines = [
    `Removed ${removed.length === 1 ? '1 compiled model' : `${removed.length} compiled models`}, ${bytesText(bytes)}.`,
    ...left.map((entry) => `${nameOf(entry)} is in the making: it was left alone.`),
  ];
  return { json: { directory, removed, left }, text: printableLines(lines.join('\n')) };
}

function directoryOf(args: Args): string {
  return path.resolve(args.text('directory') ?? userCacheDirectory());
}

export const cache: Command = {
  name: 'cache',
  summary: 'Lists, verifies or removes the compiled models that loads with --cache have kept.',
  positionals: ['list|verify|clear'],
  options: {
    directory: { value: 'D', help: "the cache's folder; default the user's, as --cache takes it" },
    backend: { value: 'B', help: 'clear: only what this backend has kept' },
  },
  notes: `
list     what is kept, for which model and device, and whether its seal is good
verify   also reads every file; ends with code 5 where one is not as it was kept
clear    removes it all, but for what a process is making now`,
  run(args) {
    const action = args.positional(0);
    const directory = directoryOf(args);
    const backend = args.text('backend');
    if (backend !== undefined && action !== 'clear') throw new UsageError('--backend is for clear only.');
    if (action === 'list') return Promise.resolve(list(directory));
    if (action === 'verify') return Promise.resolve(verify(directory));
    if (action === 'clear') return Promise.resolve(clear(directory, backend));
    throw new UsageError(`Expected list, verify or clear, got '${action ?? ''}'.`);
  },
};
