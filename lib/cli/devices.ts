/** `edge-infer devices`: what this machine can run on. */
import { edgeTpus, type EdgeTpu } from '../edgetpu/devices.js';
import { listBackends } from '../index.js';
import type { BackendInfo } from '../types.js';
import type { Command } from './command.js';
import { indent, table } from './output.js';

/** A backend without the places where its SDK was looked for: those are the doctor's. */
function withoutSearch({ searched: _searched, ...rest }: BackendInfo): Omit<BackendInfo, 'searched'> {
  return rest;
}

export function backendText(backend: BackendInfo): string {
  const { name, error, version } = backend;
  if (error !== null) return `${name}: not usable here\n${indent([error.message, error.remedy].join('\n').trim())}`;
  const rows = backend.devices.map((device) => [
    `  ${device.id}`,
    device.name,
    device.driver === undefined ? '' : `driver ${device.driver}`,
    device.capabilities.precisions.join(' '),
    device.capabilities.formats.join(' '),
    device.capabilities.inFlight > 0 ? `up to ${device.capabilities.inFlight} at once` : '',
  ]);
  const devices = rows.length > 0 ? table(rows) : '  no device';
  const libraries = Object.values(backend.libraries).join(', ');
  return `${name} ${version ?? ''}${libraries === '' ? '' : ` (${libraries})`}\n${devices}`;
}

/** The Edge TPUs that the kernel shows, usable or not; '' where there is none. */
export function edgeTpuText(tpus: readonly EdgeTpu[]): string {
  if (tpus.length === 0) return '';
  const rows = tpus.map((tpu) => {
    const parts = [];
    if (tpu.used !== null) parts.push(tpu.used ? 'used since it was plugged in' : 'not used since it was plugged in');
    if (tpu.moduleVersion !== null) parts.push(`kernel module ${tpu.moduleVersion}`);
    if (tpu.temperature !== null) {
      parts.push(`${tpu.temperature.toFixed(1)} °C${tpu.throttled === true ? ', slowed' : ''}`);
    }
    if (tpu.throttleAt.length > 0) parts.push(`slower from ${tpu.throttleAt.join(', ')} °C`);
    return [`  ${tpu.bus}`, tpu.address, tpu.node ?? 'no driver', parts.join('; ')];
  });
  return `Edge TPUs that the system shows\n${table(rows)}`;
}

export const devices: Command = {
  name: 'devices',
  summary: 'Lists the devices that models can be loaded on.',
  positionals: [],
  options: { all: { help: 'also backends that are there for tests only, such as echo' } },
  async run(args) {
    const backends = await listBackends({ all: args.flag('all') });
    const tpus = edgeTpus();
    const texts = [...backends.map(backendText), edgeTpuText(tpus)];
    return {
      json: { backends: backends.map(withoutSearch), edgeTpus: tpus },
      text: texts.filter((text) => text !== '').join('\n\n'),
    };
  },
};
