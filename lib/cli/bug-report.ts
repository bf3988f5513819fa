/** What a bug report may say: the doctor's findings, without what would tell who the user is. */
import fs from 'node:fs';
import os from 'node:os';

/** The home folder by its names, the longest first. `/` (containers without a user) would match everything. */
function homeFolders(): string[] {
  const names = new Set<string>([os.homedir(), process.env.HOME ?? '']);
  for (const name of [...names]) {
    try {
      names.add(fs.realpathSync(name));
    } catch {
      // does not exist: its name is enough
    }
  }
  const folders = [...names].map((name) => name.replace(/\/+$/, '')).filter((name) => name.length > 1);
  return folders.sort((a, b) => b.length - a.length);
}

/** Writes `~` for the home folder in every text, keys included. `/home/ann` does not match within `/home/anna`. */
export function withoutHome(value: unknown, homes: readonly string[] = homeFolders()): unknown {
  if (typeof value === 'string') {
    return homes.reduce((text, home) => {
      const pattern = home.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      return text.replace(new RegExp(`(?<![\\w.-])${pattern}(?![\\w-]|\\.\\w)`, 'g'), '~');
    }, value);
  }
  if (Array.isArray(value)) return value.map((item) => withoutHome(item, homes));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [withoutHome(key, homes), withoutHome(item, homes)]),
  );
}

/** The variables that decide what edge-infer does; all others stay out. */
function environment(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) => name.startsWith('EDGE_INFER_') || name === 'LD_LIBRARY_PATH');
  return Object.fromEntries(names.sort().map((name) => [name, process.env[name] ?? '']));
}

export function bugReport(findings: object): unknown {
  return withoutHome({ created: new Date().toISOString(), ...findings, environment: environment() });
}
