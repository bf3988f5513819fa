// Decides by content whether something has to be made again: a key over the inputs, a stamp beside what was made.
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

export function sha256(data) {
  return crypto.createHash('sha256').update(data).digest('hex');
}

function filesBelow(root, name) {
  const stat = fs.statSync(path.join(root, name), { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [name];
  return fs.readdirSync(path.join(root, name)).flatMap((entry) => filesBelow(root, `${name}/${entry}`));
}

/** One key for the content of files and folders (times and owners do not count) and for further facts. */
export function contentKey(root, names, facts = {}) {
  const lines = names
    .flatMap((name) => filesBelow(root, name))
    .sort()
    .map((name) => `${name} ${sha256(fs.readFileSync(path.join(root, name)))}`);
  return sha256(JSON.stringify([lines, facts]));
}

/** True where the stamp carries this key and every output is there and unchanged since the stamp was written. */
export function isFresh(root, stampFile, key) {
  try {
    const stamp = JSON.parse(fs.readFileSync(stampFile, 'utf8'));
    return stamp.key === key && stamp.outputsKey === contentKey(root, stamp.outputs);
  } catch {
    return false;
  }
}

export function clearStamp(stampFile) {
  fs.rmSync(stampFile, { force: true });
}

/** Written last, in one step: a build that failed or was interrupted leaves none. */
export function writeStamp(root, stampFile, key, outputs) {
  fs.mkdirSync(path.dirname(stampFile), { recursive: true });
  const temporary = `${stampFile}.${process.pid}`;
  fs.writeFileSync(temporary, `${JSON.stringify({ key, outputs, outputsKey: contentKey(root, outputs) }, null, 2)}\n`);
  fs.renameSync(temporary, stampFile);
}
