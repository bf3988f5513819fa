/** The folders in which this machine's dynamic linker and its Python look for files, read from the file system alone. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

function isFolder(name: string): boolean {
  try {
    return fs.statSync(name).isDirectory();
  } catch {
    return false;
  }
}

/** The same folder may be reached by several names (`/lib` is a link to `/usr/lib`): the first name stays. */
function unique(folders: readonly string[]): string[] {
  const seen = new Set<string>();
  return folders.filter((folder) => {
    let real = folder;
    try {
      real = fs.realpathSync(folder);
    } catch {
      // does not exist: keep the name, so that it is reported
    }
    if (seen.has(real)) return false;
    seen.add(real);
    return true;
  });
}

/** Names of the multiarch folders of Debian and its kin. */
const multiarch: Readonly<Record<string, string>> = {
  x64: 'x86_64-linux-gnu',
  arm64: 'aarch64-linux-gnu',
  arm: 'arm-linux-gnueabihf',
  ia32: 'i386-linux-gnu',
  riscv64: 'riscv64-linux-gnu',
};

/** The folders that an ld.so.conf lists, with what it includes. `*` may stand in an included file's name. */
export function linkerFolders(file: string, depth = 0): string[] {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((raw) => {
    const line = raw.replace(/#.*/, '').trim();
    const include = /^include\s+(.+)$/.exec(line)?.[1];
    if (include === undefined) return line === '' || line.startsWith('hwcap') ? [] : [line.split('=')[0] ?? ''];
    if (depth > 4) return []; // includes itself
    const pattern = path.resolve(path.dirname(file), include);
    const parts = path.basename(pattern).split('*');
    const expression = new RegExp(`^${parts.map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
    return list(path.dirname(pattern))
      .filter((name) => expression.test(name))
      .sort()
      .flatMap((name) => linkerFolders(path.join(path.dirname(pattern), name), depth + 1));
  });
}

/** Where the dynamic linker looks: LD_LIBRARY_PATH, /etc/ld.so.conf, the default folders. */
export function systemFolders(): string[] {
  const own = (process.env.LD_LIBRARY_PATH ?? '').split(/[:;]/).filter((folder) => folder !== '');
  const arch = multiarch[process.arch];
  const defaults = arch === undefined ? [] : [`/usr/local/lib/${arch}`, `/lib/${arch}`, `/usr/lib/${arch}`];
  defaults.push('/usr/local/lib', '/lib64', '/usr/lib64', '/lib', '/usr/lib');
  const configured = linkerFolders('/etc/ld.so.conf');
  return unique([...own.map((folder) => path.resolve(folder)), ...[...configured, ...defaults].filter(isFolder)]);
}

/** `<prefix>/lib/python3.12/site-packages` and Debian's spellings of it, where they exist. */
function packagesBelow(prefix: string): string[] {
  const folders: string[] = [];
  for (const lib of ['lib', 'lib64', path.join('local', 'lib')]) {
    const versions = list(path.join(prefix, lib)).filter((name) => /^python3(\.\d+)?$/.test(name));
    // 3.12 before 3.9: by number, not by letter
    versions.sort((a, b) => Number(b.split('.')[1] ?? 0) - Number(a.split('.')[1] ?? 0));
    for (const version of versions) {
      for (const name of ['site-packages', 'dist-packages']) folders.push(path.join(prefix, lib, version, name));
    }
  }
  return folders.filter(isFolder);
}

/** The prefixes of the `python3` that PATH finds first: by its own name and by what it is a link to. */
function pythonPrefixes(): string[] {
  for (const directory of (process.env.PATH ?? '').split(path.delimiter)) {
    if (directory === '') continue;
    const program = path.join(directory, 'python3');
    if (!fs.existsSync(program)) continue;
    const prefixes = [path.dirname(directory)];
    try {
      prefixes.push(path.dirname(path.dirname(fs.realpathSync(program))));
    } catch {
      // gone in the meantime
    }
    return prefixes;
  }
  return [];
}

/** The versions of pyenv, whose programs on PATH are scripts that tell nothing. */
function pyenvPrefixes(): string[] {
  const versions = path.join(process.env.PYENV_ROOT || path.join(os.homedir(), '.pyenv'), 'versions');
  const newestFirst = list(versions).sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  return newestFirst.map((name) => path.join(versions, name));
}

/** Site-packages folders: PYTHONPATH, the active environment, the `python3` on PATH, the user's, pyenv's. */
export function pythonFolders(): string[] {
  const named = (process.env.PYTHONPATH ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const active = [process.env.VIRTUAL_ENV, process.env.CONDA_PREFIX].filter((prefix): prefix is string => !!prefix);
  const prefixes = [...active, ...pythonPrefixes()];
  prefixes.push(process.env.PYTHONUSERBASE || path.join(os.homedir(), '.local'), ...pyenvPrefixes());
  return unique([...named.map((folder) => path.resolve(folder)), ...prefixes.flatMap(packagesBelow)]);
}
