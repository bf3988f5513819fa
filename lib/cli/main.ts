#!/usr/bin/env node
/** The program `edge-infer`: finds the command, prints its result on stdout and everything else on stderr. */
import { events, version } from '../index.js';
import { Args, UsageError } from './args.js';
import { bench } from './bench.js';
import { board } from './board.js';
import { build } from './build.js';
import { cache } from './cache.js';
import { helpOf, usageOf, type Command } from './command.js';
import { compare } from './compare.js';
import { convert } from './convert.js';
import { devices } from './devices.js';
import { doctor } from './doctor.js';
import { inspect } from './inspect.js';
import { errorJson, errorText, exitCodeOf, exitCodes, indent, table, type ExitCode, type Result } from './output.js';
import { run } from './run.js';
import { runtimes } from './runtimes.js';
import { Ui } from './ui.js';

const commands: readonly Command[] = [
  devices,
  board,
  doctor,
  inspect,
  run,
  compare,
  convert,
  build,
  bench,
  cache,
  runtimes,
];
const usage = 'edge-infer COMMAND [arguments] [options]';

function generalHelp(): string {
  const rows = commands.map((command) => [`  ${command.name} ${command.positionals.join(' ')}`, command.summary]);
  rows.push(['  help [COMMAND]', 'Says what a command does, and its options.']);
  return `edge-infer ${version}: neural networks on edge accelerators.

Usage: ${usage}

${table(rows)}

Every command takes --json: the result on stdout, messages on stderr; where the exit code is not 0, the result has
"error": { "code", "message", "remedy" }.

Exit codes:
  0  ok
  1  failed
  2  usage: the command line is wrong
  3  no such device or SDK
  4  bad model
  5  a check failed`;
}

function findCommand(name: string): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const known = [...commands.map((candidate) => candidate.name), 'help'].join(', ');
  throw new UsageError(`Unknown command '${name}'; there are ${known}.`);
}

function help(name: string | undefined): Result {
  if (name === undefined) {
    const list = commands.map((command) => ({ name: command.name, summary: command.summary, usage: usageOf(command) }));
    return { json: { version, commands: list, exitCodes }, text: generalHelp() };
  }
  const command = findCommand(name);
  return { json: { command: name, usage: usageOf(command), help: helpOf(command) }, text: helpOf(command) };
}

/** Words before a command: `--json` may stand there too. */
async function dispatch(words: readonly string[], ui: Ui): Promise<Result> {
  const [first, ...rest] = words.filter((word, i) => word !== '--json' || i > 0);
  if (first === undefined) throw new UsageError('Expected a command.');
  if (first === '--version') return { json: { version }, text: version };
  if (first === '--help') return help(undefined);
  if (first === 'help') {
    const args = new Args(rest, { positionals: ['[COMMAND]'], options: {} });
    return help(args.positional(0));
  }
  if (first.startsWith('-')) throw new UsageError(`Unknown option '${first}'.`);
  const command = findCommand(first);
  const args = new Args(rest, command);
  if (args.flag('help')) return help(command.name);
  return command.run(args, ui);
}

/** The usage line of the command that was meant. */
function usageFor(words: readonly string[]): string {
  const command = commands.find((candidate) => candidate.name === words.find((word) => !word.startsWith('-')));
  return command === undefined ? `${usage}; see edge-infer help` : usageOf(command);
}

/** Waits until the text has left the process: what follows may end it. False where nobody reads any more. */
function print(text: string): Promise<boolean> {
  return new Promise((resolve) => process.stdout.write(`${text}\n`, (error) => resolve(!error)));
}

async function main(words: readonly string[]): Promise<ExitCode> {
  const json = words.includes('--json');
  const ui = new Ui();
  events.on('log', ({ level, backend, message }) => {
    if (level === 'error' || level === 'warning') ui.message(`${backend}: ${level}: ${message}`);
  });
  try {
    const result = await dispatch(words, ui);
    const { failure, updates } = result;
    const content = failure === undefined ? result.json : { ...result.json, error: failure.error };
    if (json) await print(JSON.stringify(content, null, updates === undefined ? 2 : 0));
    else if (result.text !== '') await print(result.text);
    for await (const update of updates ?? []) {
      if (!(await print(json ? JSON.stringify(update.json) : update.text))) break;
    }
    if (failure === undefined) return exitCodes.ok;
    const { message, remedy } = failure.error;
    ui.message(`edge-infer: ${message}${remedy === '' ? '' : `\n${indent(remedy)}`}`);
    return failure.exitCode;
  } catch (error) {
    const usageLine = usageFor(words);
    if (json) await print(JSON.stringify({ error: errorJson(error, usageLine) }, null, 2));
    ui.message(errorText(error, usageLine));
    return exitCodeOf(error);
  }
}

// A reader that has seen enough (`| head`) is no failure of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
  // The loop ends by itself unless something hangs, such as a device that never answers.
  setTimeout(() => process.exit(code), 1000).unref();
});
