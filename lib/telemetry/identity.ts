/** What the board is and what it runs: model, chip, L4T, JetPack, power mode. */
import { jetpackOf, l4tOf } from './jetpack.js';
import type { Reader } from './reader.js';
import type { PowerMode } from './types.js';

export interface Identity {
  readonly model: string | null;
  readonly soc: string | null;
  readonly l4t: string | null;
  readonly jetpack: string | null;
  readonly powerMode: PowerMode | null;
  /** Whether the chip is one of NVIDIA's Tegras, by any of several signs: containers hide some of them. */
  readonly tegra: boolean;
}

/** Containers hide /sys/firmware; what the kernel says of the chip stays visible. */
const socFolder = '/sys/devices/soc0';

async function firstOf(reader: Reader, files: readonly string[]): Promise<string | null> {
  for (const file of files) {
    const name = await reader.name(file);
    if (name !== null) return name;
  }
  return null;
}

/** `nvidia,p3768-0000+p3767-0005`, `nvidia,p3767-0005`, `nvidia,tegra234`: the most general comes last. */
async function socOf(reader: Reader): Promise<string | null> {
  const folders = ['/sys/firmware/devicetree/base', '/proc/device-tree'];
  for (const folder of folders) {
    const compatible = (await reader.text(`${folder}/compatible`))?.split('\0') ?? [];
    const chip = compatible.find((name) => /^nvidia,tegra\d{2,4}[a-z]?$/.test(name));
    if (chip !== undefined) return chip.slice('nvidia,'.length);
  }
  return null;
}

async function l4tRelease(reader: Reader): Promise<string | null> {
  const file = '/etc/nv_tegra_release';
  const text = await reader.text(file);
  if (text === null) return null;
  return l4tOf(text) ?? reader.note(file, 'names no release');
}

/** `< POWER_MODEL ID=2 NAME=MAXN_SUPER >` in nvpmodel's configuration; null where it names none, or several. */
export function modeName(configuration: string, id: number): string | null {
  const lines = [
    ...configuration.matchAll(/^[ \t]*<[ \t]*POWER_MODEL[ \t]+ID=(\d{1,4})[ \t]+NAME=([\w.+-]{1,64})[ \t>]/gm),
  ];
  const names = new Set(lines.filter((line) => Number(line[1]) === id).map((line) => line[2] ?? ''));
  const [name] = names;
  return names.size === 1 ? (name ?? null) : null;
}

async function powerModeOf(reader: Reader): Promise<PowerMode | null> {
  const file = '/var/lib/nvpmodel/status';
  const status = await reader.text(file);
  if (status === null) return null;
  // `pmode:0002`, on older releases `pmode:0002 fmode:quiet`.
  const [, digits] = /(?:^|\s)pmode:(\d{1,4})(?:\s|$)/.exec(status) ?? [];
  if (digits === undefined) return reader.note(file, 'names no power mode');
  const id = Number(digits);
  // Numbers mean other modes in other configurations: the one that nvpmodel used comes first.
  const used = await reader.text('/var/lib/nvpmodel/conf_file_path');
  const conf = used?.startsWith('/') === true && !used.includes('\0') ? used : '/etc/nvpmodel.conf';
  const configuration = await reader.text(conf);
  const name =
    configuration === null ? null : (modeName(configuration, id) ?? reader.note(conf, `names no mode ${id}`));
  return { id, name };
}

export async function identityOf(reader: Reader): Promise<Identity> {
  const models = ['/sys/firmware/devicetree/base/model', '/proc/device-tree/model', `${socFolder}/machine`];
  const [model, soc, family, l4t, powerMode] = await Promise.all([
    firstOf(reader, models),
    socOf(reader),
    reader.text(`${socFolder}/family`),
    l4tRelease(reader),
    powerModeOf(reader),
  ]);
  const jetpack = l4t === null ? null : jetpackOf(l4t);
  return { model, soc, l4t, jetpack, powerMode, tegra: soc !== null || family === 'Tegra' || l4t !== null };
}
