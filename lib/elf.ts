/** What a shared library was built for, read from the first bytes of its ELF header. */
import fs from 'node:fs';

/** e_machine of the ELF specification, for the architectures that Node names. */
const machines: Readonly<Record<number, string>> = {
  0x03: 'ia32',
  0x28: 'arm',
  0x3e: 'x64',
  0xb7: 'arm64',
  0xf3: 'riscv64',
};

/** Node's name of the architecture, `unknown` for another one, or null where the file is no ELF file or unreadable. */
export function elfArchitecture(file: string): string | null {
  const header = Buffer.alloc(20);
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(file, 'r');
    if (fs.readSync(descriptor, header, 0, header.length, 0) < header.length) return null;
  } catch {
    return null;
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
  if (header.readUInt32BE(0) !== 0x7f454c46) return null; // "\x7fELF"
  const littleEndian = header[5] === 1;
  return machines[littleEndian ? header.readUInt16LE(18) : header.readUInt16BE(18)] ?? 'unknown';
}
