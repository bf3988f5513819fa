/** Temperatures: the kernel's thermal zones, and Edge TPUs. */
import path from 'node:path';
import { edgeTpus } from '../edgetpu/devices.js';
import type { Reader } from './reader.js';
import type { BoardTemperature, EdgeTpuTelemetry } from './types.js';

// No chip works beyond: Jetsons show −256 °C for a part that is switched off, a dead Edge TPU shows −88 °C.
const coldest = -60;
const hottest = 200;

async function temperatureOf(reader: Reader, zone: string): Promise<BoardTemperature[]> {
  const folder = `/sys/class/thermal/${zone}`;
  const name = await reader.name(`${folder}/type`);
  if (name === null) return [];
  const file = `${folder}/temp`;
  const millidegrees = await reader.integer(file, coldest * 1000, hottest * 1000);
  // Up to Xavier the power chip has no sensor that Linux could read: its zone says 100 °C, always.
  const constant = name === 'PMIC-Die' && millidegrees === 100_000;
  if (constant) reader.note(file, 'a constant, no measurement');
  return [{ name, zone, celsius: constant || millidegrees === null ? null : millidegrees / 1000 }];
}

export async function temperaturesOf(reader: Reader): Promise<BoardTemperature[]> {
  const zones = await reader.list('/sys/class/thermal', /^thermal_zone\d+$/);
  return (await Promise.all(zones.map((zone) => temperatureOf(reader, zone)))).flat();
}

/** Only cards tell; a stick's is null. */
export async function edgeTpusOf(reader: Reader): Promise<EdgeTpuTelemetry[]> {
  const tpus = edgeTpus(reader.root).map(async ({ bus, selector, address, node, throttled }) => {
    const file = `/sys/class/apex/${path.basename(node ?? '')}/temp`;
    const tells = bus === 'pcie' && node !== null;
    const millidegrees = tells ? await reader.integer(file, coldest * 1000, hottest * 1000) : null;
    const celsius = millidegrees === null ? null : millidegrees / 1000;
    return { selector, address, celsius, throttled: celsius === null ? null : throttled };
  });
  return Promise.all(tpus);
}
