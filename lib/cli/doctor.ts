/** `edge-infer doctor`: what this installation consists of, where SDKs were looked for, and what to do where one is missing. */
import fs from 'node:fs';
import { edgeTpus, type EdgeTpu } from '../edgetpu/devices.js';
import { edgeTpuProblems, thisMachine, type Problem } from '../edgetpu/problems.js';
import { boardTelemetry, listBackends, loadModel, version, type BoardTelemetry } from '../index.js';
import { locate } from '../locate.js';
import { native } from '../native.js';
import { locateSdks } from '../sdk-library.js';
import { backendsWithSdks, sdks, sdksOf } from '../sdks.js';
import type { BackendInfo } from '../types.js';
import { compareVersions, findBinary, runningGlibc, type BinaryFile } from './binary.js';
import { boardLine } from './board.js';
import { bugReport } from './bug-report.js';
import type { Command } from './command.js';
import { backendText, edgeTpuText } from './devices.js';
import { checkWritable, writing } from './files.js';
import { describeMachine, type Machine } from './machine.js';
import { bytesText, errorJson, exitCodes, indent, table, type ErrorJson } from './output.js';

const oldestNode = '16.20.0';

export interface Diagnosis {
  readonly edgeInfer: string;
  readonly node: { readonly version: string; readonly napi: string; readonly ok: boolean };
  readonly machine: Machine;
  readonly board: BoardTelemetry;
  readonly binary: BinaryFile & { readonly loaded: boolean; readonly error: (ErrorJson & { cause: string }) | null };
  readonly glibc: { readonly running: string | null; readonly needed: string | null; readonly ok: boolean };
  /** Whether models can be loaded with `isolate`, and what a host gives up at most. */
  readonly isolation: { readonly available: boolean; readonly sandbox: string; readonly error: ErrorJson | null };
  readonly backends: readonly BackendInfo[];
  /** Those that the kernel shows, whether or not they can be used. */
  readonly edgeTpus: readonly EdgeTpu[];
  /** What keeps models from running, most fundamental first; empty where all is well. */
  readonly problems: readonly Problem[];
}

function loadBinary(): { loaded: boolean; error: (ErrorJson & { cause: string }) | null } {
  try {
    native();
    return { loaded: true, error: null };
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    const words = cause instanceof Error ? cause.message : typeof cause === 'string' ? cause : '';
    return { loaded: false, error: { ...errorJson(error), cause: words.trim() } };
  }
}

/** Without a binary SDKs cannot be opened, but where they are can still be said. */
function locatedOnly(): BackendInfo[] {
  return backendsWithSdks.map((name) => {
    const { found, searched } = locateSdks(name);
    const library = found[name] ?? null;
    const message = library === null ? 'Its library was not found.' : 'Its library was found, but not opened.';
    const error = { code: 'ERR_UNAVAILABLE', message, remedy: 'First see why there is no binary.' };
    return { name, available: false, version: null, library, libraries: found, devices: [], error, searched };
  });
}

/** Starts a host process, with the strict sandbox, and ends it again. */
async function tryIsolation(): Promise<Diagnosis['isolation']> {
  const text = new TextEncoder().encode('echo 1\n');
  try {
    const model = await loadModel(text, { device: 'echo:cpu', isolate: { sandbox: 'strict' } });
    const sandbox = model.host()?.sandbox ?? '';
    await model.dispose();
    return { available: true, sandbox, error: null };
  } catch (error) {
    return { available: false, sandbox: '', error: errorJson(error) };
  }
}

function problemsOf(diagnosis: Omit<Diagnosis, 'problems'>): Diagnosis['problems'] {
  const { node, binary, glibc, backends, isolation } = diagnosis;
  const problems: Problem[] = [];
  if (!node.ok) problems.push({ what: `Node ${node.version} is older than ${oldestNode}.`, remedy: 'Update Node.' });
  if (!glibc.ok) {
    const what = `The binary needs glibc ${glibc.needed ?? ''}, this system has ${glibc.running ?? 'another C library'}.`;
    problems.push({ what, remedy: 'Update the system, or build the addon on it.' });
  }
  if (binary.error !== null) {
    const what = [binary.error.message, binary.error.cause].filter((text) => text !== '').join(' ');
    problems.push({ what, remedy: binary.error.remedy });
  } else if (!backends.some((backend) => backend.available)) {
    const remedies = backends.map((backend) => backend.error?.remedy ?? '').filter((text) => text !== '');
    problems.push({ what: 'No SDK is usable on this machine.', remedy: remedies[0] ?? '' });
  }
  if (binary.loaded && isolation.error !== null) {
    problems.push({ what: `Models cannot be isolated. ${isolation.error.message}`, remedy: isolation.error.remedy });
  }
  if (diagnosis.edgeTpus.length > 0) {
    problems.push(...edgeTpuProblems(diagnosis.edgeTpus, thisMachine(locate('edgetpu').library)));
  }
  return problems;
}

async function diagnose(all: boolean): Promise<Diagnosis> {
  const binary = { ...findBinary(), ...loadBinary() };
  const running = runningGlibc();
  const needed = binary.needs.glibc;
  const found = {
    edgeInfer: version,
    node: {
      version: process.versions.node,
      napi: process.versions.napi ?? '',
      ok: compareVersions(process.versions.node, oldestNode) >= 0,
    },
    machine: describeMachine(),
    board: await boardTelemetry(),
    binary,
    glibc: { running, needed, ok: needed === null || (running !== null && compareVersions(running, needed) >= 0) },
    isolation: binary.loaded ? await tryIsolation() : { available: false, sandbox: '', error: null },
    backends: binary.loaded ? await listBackends({ all }) : locatedOnly(),
    edgeTpus: edgeTpus(),
  };
  return { ...found, problems: problemsOf(found) };
}

function searchText(backend: BackendInfo): string {
  const lists = sdksOf(backend.name).map(({ name, optional }) => {
    const places = backend.searched.filter((place) => place.sdk === name);
    const rows = places.map((place) => [place.found ? '+' : '-', place.source, place.path, place.note]);
    const remark = optional === true ? ' (optional)' : '';
    return `\n  looked at for ${sdks[name].libraryName}${remark}\n${indent(table(rows), '    ')}`;
  });
  return lists.join('');
}

function textOf(diagnosis: Diagnosis): string {
  const { machine, binary, glibc, node } = diagnosis;
  const system = [machine.system, machine.kernel].filter((part) => part !== null).join(', ');
  const state = binary.loaded ? 'loaded' : 'not loaded';
  const rows = [
    ['edge-infer', diagnosis.edgeInfer],
    ['node', `${node.version} (Node-API ${node.napi})${node.ok ? '' : `: too old, at least ${oldestNode}`}`],
    ['platform', `${machine.platform}, ${system}`],
    ['cpu', `${machine.cpu}, ${machine.cores} cores, ${bytesText(machine.memoryBytes)}`],
    ['glibc', `${glibc.running ?? 'none'}${glibc.needed === null ? '' : `; the binary needs ${glibc.needed}`}`],
    ['binary', binary.path === null ? `none: ${binary.note}` : `${binary.path} (${binary.note}), ${state}`],
    ...(binary.tensorrt.length > 0 ? [['adapters', `TensorRT ${binary.tensorrt.join(', ')}`]] : []),
  ];
  const board = boardLine(diagnosis.board);
  if (board !== '') rows.push(['board', board]);
  const { isolation } = diagnosis;
  rows.push([
    'isolation',
    isolation.available ? `host processes start; strictly: ${isolation.sandbox}` : 'not available',
  ]);
  const problems = diagnosis.problems.map(({ what, remedy }) => `! ${what}${remedy === '' ? '' : `\n  ${remedy}`}`);
  const parts = [
    table(rows),
    ...diagnosis.backends.map((backend) => backendText(backend) + searchText(backend)),
    edgeTpuText(diagnosis.edgeTpus),
    problems.length > 0 ? problems.join('\n') : 'All is well.',
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

export const doctor: Command = {
  name: 'doctor',
  summary: 'Says what this installation consists of, where SDKs were looked for, and what to do.',
  positionals: [],
  options: {
    all: { help: 'also backends that are there for tests only, such as echo' },
    report: { value: 'FILE', help: 'writes the findings as JSON, for a bug report' },
  },
  notes: `
The report holds no models and no pictures; of the environment only EDGE_INFER_* and LD_LIBRARY_PATH, with the home
folder written as ~. Ends with code 3 where something keeps models from running here, or from an Edge TPU that is there.`,
  async run(args) {
    const report = args.text('report');
    if (report !== undefined) checkWritable(report);
    const diagnosis = await diagnose(args.flag('all'));
    if (report !== undefined) {
      writing(report, () => fs.writeFileSync(report, `${JSON.stringify(bugReport(diagnosis), null, 2)}\n`));
    }
    const [first] = diagnosis.problems;
    const error = first === undefined ? null : { code: 'ERR_UNAVAILABLE', message: first.what, remedy: first.remedy };
    return {
      json: { ...diagnosis, ok: error === null, report: report ?? null },
      text: textOf(diagnosis) + (report === undefined ? '' : `\n\nThe report is in ${report}.`),
      ...(error !== null && { failure: { exitCode: exitCodes.unavailable, error } }),
    };
  },
};
