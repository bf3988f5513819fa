// Describes the machine and the versions that results come from: without them a number says nothing.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { outputOf, root } from '../scripts/root.mjs';

const { describeMachine } = createRequire(import.meta.url)(path.join(root, 'dist', 'cli', 'machine.js'));

/** Instruction sets that OpenVINO's kernels are chosen by. */
const flagsThatMatter =
  /^(sse4_2|avx|avx2|fma|f16c|avx512(f|bw|vl|_vnni|_bf16|_fp16)|avx_vnni|amx_(tile|int8|bf16)|asimd|asimddp|asimdhp|i8mm|bf16|sve2?)$/;

function cpuFacts() {
  let text = '';
  try {
    text = fs.readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // not Linux
  }
  const flags = (/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1] ?? '').split(' ');
  return { flags: flags.filter((flag) => flagsThatMatter.test(flag)), hypervisor: flags.includes('hypervisor') };
}

export function describe(models) {
  const { flags, hypervisor } = cpuFacts();
  const status = outputOf('git', ['status', '--porcelain', '--', 'lib', 'native', 'binding', 'bench']);
  return {
    ...describeMachine(),
    cpuFlags: flags,
    // A guest cannot see what else its host does; systemd-detect-virt names the hypervisor where it is installed.
    virtualised: hypervisor ? (outputOf('systemd-detect-virt', [])?.trim() ?? 'yes') : 'no sign of it',
    glibc: process.report.getReport().header.glibcVersionRuntime ?? null,
    v8: process.versions.v8,
    openvino: models[0]?.model.info.versions.sdk ?? null,
    edgeInfer: models[0]?.model.info.versions.edgeInfer ?? null,
    commit: outputOf('git', ['rev-parse', '--short', 'HEAD'])?.trim() ?? null,
    changedSinceCommit: status === null ? null : status.trim() !== '',
    loadAverageAtStart: os.loadavg(),
  };
}
