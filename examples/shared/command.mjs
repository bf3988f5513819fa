/** What the demos' commands share: failures in one sentence, the exit code, tables, and how a model is described. */

import { basename } from 'node:path';

import { InferenceError } from 'edge-infer';

/** What the user can mend: told in one sentence, without a stack trace. */
export class DemoError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Runs a demo to its end: 0, or 1 where it failed, or the code of its `DemoError`.
 * @param {() => Promise<void>} main
 */
export async function runDemo(main) {
  try {
    await main();
  } catch (error) {
    if (error instanceof DemoError) console.error(error.message);
    else if (error instanceof InferenceError) {
      console.error(`${error.message}${error.remedy ? `\n${error.remedy}` : ''}`);
    } else console.error(error);
    process.exitCode = error.exitCode ?? 1;
  }
}

/** What a report tells of a model. */
export function summary({ info, inputs }) {
  const { device, deviceName, precision, versions, loadMs, sha256 } = info;
  return {
    file: basename(info.path),
    sha256,
    device,
    deviceName,
    precision,
    versions,
    loadMs,
    inputShape: inputs[0].shape,
  };
}

export function describeModel(role, model) {
  const { file, device, deviceName, precision, versions, loadMs, inputShape } = summary(model);
  const shape = inputShape.map((side) => (side < 0 ? '?' : side)).join(' × ');
  return (
    `${role.padEnd(12)} ${file}, input ${shape}, loaded in ${loadMs.toFixed(0)} ms\n` +
    `${''.padEnd(12)} on ${device} (${deviceName}), ${precision.actual}, ${versions.sdk}`
  );
}

/**
 * How long each stage took the first time and later.
 * @param {Record<string, number>} first milliseconds by stage
 * @param {Record<string, number>} warm
 * @param {Record<string, string>} [names] of stages that are not told by their key
 */
export function describeStages(first, warm, names = {}) {
  const ms = (value) => `${value.toFixed(1)} ms`;
  const stages = Object.keys(first).map((stage) => [names[stage] ?? stage, ms(first[stage]), ms(warm[stage])]);
  return table([['Stage', 'First', 'Warm'], ...stages]);
}

/** The first column to the left, the others to the right. */
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i] + 2))).join(''))
    .join('\n');
}
