/** A folder for the files of one test file; it is gone when its tests have ended. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export class Folder {
  readonly path = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'edge-infer-test-')));

  constructor() {
    afterAll(() => fs.rmSync(this.path, { recursive: true, force: true }));
  }

  /** Writes a file and returns its path. */
  write(name: string, content: Uint8Array | string): string {
    const file = path.join(this.path, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
    return file;
  }
}
