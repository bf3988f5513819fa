/** What every command is: its syntax, its help and its work. Commands return their result and print nothing. */
import type { Args, Syntax } from './args.js';
import { commonOptions } from './args.js';
import { indent, table, type Result } from './output.js';
import type { Ui } from './ui.js';

export interface Command extends Syntax {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What the help says after the options. */
  readonly notes?: string;
  run(args: Args, ui: Ui): Promise<Result>;
}

/** One line: what follows the program's name. */
export function usageOf(command: Command): string {
  const options = Object.keys(command.options).length > 0 ? ['[options]'] : ['[--json]'];
  return ['edge-infer', command.name, ...command.positionals, ...options].join(' ');
}

export function helpOf(command: Command): string {
  const rows = Object.entries({ ...command.options, ...commonOptions }).map(([name, option]) => {
    const value = option.value === undefined ? '' : ` ${option.value}`;
    const short = option.short === undefined ? '' : `-${option.short}, `;
    return [`  ${short}--${name}${value}`, `${option.help}${option.multiple ? ' (may be repeated)' : ''}`];
  });
  const parts = [`${command.summary}\n\nUsage: ${usageOf(command)}`, `Options:\n${table(rows)}`];
  if (command.notes !== undefined) parts.push(indent(command.notes.trim(), ''));
  return parts.join('\n\n');
}
