/** Device ids: what a caller writes, and which devices it means in which order. */
import { describe } from './dtypes.js';
import { InferenceError } from './errors.js';
import { invalidOption } from './options.js';
import { native } from './native.js';

export interface Candidate {
  readonly backend: string;
  /** The backend's own name of the device. */
  readonly device: string;
  /** The id that we show: `openvino:cpu`. */
  readonly id: string;
  /** `auto` came to it, not the caller. */
  readonly auto: boolean;
}

// The documented tables (docs/architecture.md): fixed, so that the same line means the same on every machine.
const bestOfBackend = new Map<string, readonly string[]>(
  Object.entries({
    tensorrt: ['0'],
    openvino: ['gpu', 'cpu'],
    tflite: ['cpu'],
    echo: ['cpu'],
  }),
);
const bestOfClass = new Map<string, readonly string[]>(
  Object.entries({
    auto: ['tensorrt:0', 'openvino:gpu', 'openvino:cpu', 'tflite:cpu'],
    cpu: ['openvino:cpu', 'tflite:cpu'],
    gpu: ['tensorrt:0', 'openvino:gpu'],
    npu: ['openvino:npu'],
    edgetpu: ['tflite:edgetpu:0'],
  }),
);

function candidate(id: string, auto = false): Candidate {
  const [backend = '', ...device] = id.split(':');
  return { backend, device: device.join(':'), id, auto };
}

/** The ids that one word of a caller stands for. */
function expand(id: string, known: readonly string[]): readonly string[] {
  const ids = bestOfClass.get(id) ?? bestOfBackend.get(id)?.map((device) => `${id}:${device}`) ?? [id];
  return ids.filter((one) => one.includes(':') && known.includes(candidate(one).backend));
}

/**
 * What `device` means, in the order in which it is tried, and in each step the devices that share the work; only backends
 * that this binary has. Never empty. A device that is named twice has its first place.
 */
export function resolveDevices(device: unknown): Candidate[][] {
  const wanted = device === undefined ? ['auto'] : Array.isArray(device) ? (device as unknown[]) : [device];
  const known = native().backends();
  const listed = known.filter((name) => name !== 'echo').join(', ');
  const expected = `auto, cpu, gpu, npu, edgetpu, or a device of ${listed} such as openvino:cpu`;
  const seen = new Set<string>();
  const fromAuto = new Set<string>();
  const idsOf = (item: unknown): readonly string[] => {
    if (typeof item !== 'string') throw invalidOption('device', expected, item);
    const id = item.toLowerCase();
    const ids = expand(id, known);
    const [name = ''] = id.split(':');
    if (id === 'auto') for (const one of ids) if (!seen.has(one)) fromAuto.add(one);
    if (ids.length === 0 && !bestOfBackend.has(name) && !bestOfClass.has(id))
      throw invalidOption('device', expected, item);
    return ids;
  };
  const isNew = (id: string): boolean => !seen.has(id) && seen.add(id).has(id);
  const poolOf = (items: readonly unknown[]): string[] => {
    if (items.length === 0) throw invalidOption('device', 'pools of one device or more', items);
    return items.flatMap((item) => {
      const ids = idsOf(item);
      if (ids.length > 1) throw invalidOption('device', 'one device for each place of a pool', item);
      return ids.filter(isNew);
    });
  };
  const tiers = wanted
    .flatMap((item) =>
      Array.isArray(item)
        ? [poolOf(item)]
        : idsOf(item)
            .filter(isNew)
            .map((id) => [id]),
    )
    .filter((tier) => tier.length > 0);
  if (wanted.length === 0) throw invalidOption('device', expected, device);
  if (tiers.length === 0) {
    throw new InferenceError(
      'ERR_UNAVAILABLE',
      `This build has no backend for ${wanted.flat().map(describe).join(', ')}.`,
      {
        remedy: `Use ${expected}.`,
      },
    );
  }
  return tiers.map((tier) => tier.map((id) => candidate(id, fromAuto.has(id))));
}
