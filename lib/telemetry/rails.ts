/** Power rails, by the sensors INA3221 (two layouts) and INA238. */
import type { Reader } from './reader.js';
import type { PowerRail } from './types.js';

const drivers = '/sys/bus/i2c/drivers';
const chipPattern = /^\d{1,4}-[0-9a-f]{4}$/;

type Chip = PowerRail['chip'];

// Wider than what the sensors measure (26 V and 85 V), and narrower than what a broken bus reads as.
const millivolts = (reader: Reader, file: string): Promise<number | null> => reader.integer(file, -1000, 100_000);
const milliamps = (reader: Reader, file: string): Promise<number | null> => reader.integer(file, -1e6, 1e6);

/** Never −0. */
function rounded(value: number): number {
  return Math.round(value) + 0;
}

async function railOf(
  reader: Reader,
  rail: { name: string; chip: Chip; address: string },
  files: { voltage: string; current: string; power?: string; unitsPerMilliwatt?: number },
): Promise<PowerRail> {
  const units = files.unitsPerMilliwatt ?? 1;
  const [volts, amps, power] = await Promise.all([
    millivolts(reader, files.voltage),
    milliamps(reader, files.current),
    files.power === undefined ? null : reader.integer(files.power, -1e7 * units, 1e7 * units),
  ]);
  const product = volts === null || amps === null ? null : rounded((volts * amps) / 1000);
  const milliwatts = power === null ? product : rounded(power / units);
  return { ...rail, millivolts: volts, milliamps: amps, milliwatts };
}

/** Nothing is connected there: `NC`. */
function isConnected(name: string): boolean {
  return !/^NC\d*$/i.test(name);
}

/** JetPack 4 (kernel 4.9): industrial I/O, channels from 0. The driver gives mV, mA and mW. */
async function oldRails(reader: Reader, address: string): Promise<PowerRail[]> {
  const chip = `${drivers}/ina3221x/${address}`;
  // L4T 28 called the folder iio_device; where both are, they are the same.
  const [device] = (await reader.list(chip, /^iio(?::device\d+|_device)$/)).sort((a, b) => a.length - b.length);
  if (device === undefined) return [];
  const folder = `${chip}/${device}`;
  const rails = [0, 1, 2].map(async (channel) => {
    const name = await reader.name(`${folder}/rail_name_${channel}`);
    if (name === null || !isConnected(name)) return [];
    const files = {
      voltage: `${folder}/in_voltage${channel}_input`,
      current: `${folder}/in_current${channel}_input`,
      power: `${folder}/in_power${channel}_input`,
    };
    return [await railOf(reader, { name, chip: 'ina3221', address }, files)];
  });
  return (await Promise.all(rails)).flat();
}

async function hwmonFolders(reader: Reader, chip: string): Promise<string[]> {
  const folders = await reader.list(`${chip}/hwmon`, /^hwmon\d+$/);
  return folders.map((name) => `${chip}/hwmon/${name}`);
}

/**
 * JetPack 5 and newer: hwmon, channels from 1. The driver gives mV and mA, and no power. in4 to in6 are voltages over the
 * shunts, in7 and curr4 are sums: no rails.
 */
async function newRails(reader: Reader, address: string): Promise<PowerRail[]> {
  const folders = await hwmonFolders(reader, `${drivers}/ina3221/${address}`);
  const rails = folders.flatMap((folder) =>
    [1, 2, 3].map(async (channel) => {
      const name = await reader.name(`${folder}/in${channel}_label`);
      if (name === null || !isConnected(name)) return [];
      const files = { voltage: `${folder}/in${channel}_input`, current: `${folder}/curr${channel}_input` };
      return [await railOf(reader, { name, chip: 'ina3221', address }, files)];
    }),
  );
  return (await Promise.all(rails)).flat();
}

/** Jetson Thor: one rail, which the driver need not name; in0 is the voltage over the shunt. Power is in µW. */
async function ina238Rails(reader: Reader, address: string, soc: string | null): Promise<PowerRail[]> {
  const folders = await hwmonFolders(reader, `${drivers}/ina238/${address}`);
  const rails = folders.map(async (folder) => {
    const label = (await reader.name(`${folder}/in1_label`)) ?? (await reader.name(`${folder}/label`));
    const name = label ?? (soc === 'tegra264' ? 'VIN' : 'ina238');
    const files = {
      voltage: `${folder}/in1_input`,
      current: `${folder}/curr1_input`,
      power: `${folder}/power1_input`,
      unitsPerMilliwatt: 1000,
    };
    return railOf(reader, { name, chip: 'ina238', address }, files);
  });
  return Promise.all(rails);
}

export async function railsOf(reader: Reader, soc: string | null): Promise<PowerRail[]> {
  const [old, current, ina238] = await Promise.all(
    ['ina3221x', 'ina3221', 'ina238'].map((driver) => reader.list(`${drivers}/${driver}`, chipPattern)),
  );
  const rails = await Promise.all([
    ...(old ?? []).map((address) => oldRails(reader, address)),
    ...(current ?? []).map((address) => newRails(reader, address)),
    ...(ina238 ?? []).map((address) => ina238Rails(reader, address, soc)),
  ]);
  return rails.flat();
}

/** AGX Xavier and AGX Orin have none: there some rails contain others, so that a sum would be wrong. */
const inputNames: readonly string[] = ['VDD_IN', 'POM_5V_IN', 'VIN'];

export function inputOf(rails: readonly PowerRail[]): number | null {
  const inputs = rails.filter((rail) => inputNames.includes(rail.name));
  return inputs.length === 1 ? (inputs[0]?.milliwatts ?? null) : null;
}
