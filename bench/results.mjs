// Results as files, JSON and Markdown side by side, and the line that says what they were measured on.
import fs from 'node:fs';
import path from 'node:path';
import { root } from '../scripts/root.mjs';

export const today = () => new Date().toISOString().slice(0, 10);

/** A word for file names: what the machine is, not whose. */
function machineName({ cpu, cores }) {
  const words = cpu
    .toLowerCase()
    .replace(/\((r|tm)\)|\bcpu\b|\bprocessor\b|@.*/g, ' ')
    .match(/[a-z0-9]+/g);
  return [...(words ?? ['unknown']).slice(0, 5), `${cores}-cores`].join('-');
}

/** `script` is what follows `npm run`. */
export function machineLine({ date, machine, versions }, script) {
  const { cpu, cores, system, commit, loadAverageAtStart, loadAverageAtEnd } = machine;
  return (
    `${date}, ${cpu}, ${cores} cores, ${system}, Node ${process.versions.node}; ${versions.join(', ')}; commit ${commit}; ` +
    `load average ${loadAverageAtStart[0].toFixed(2)} before, ${loadAverageAtEnd[0].toFixed(2)} after. \`npm run ${script}\``
  );
}

/** Writes FILE.json and FILE.md, by default bench/results/<date>-<machine>[-kind]. Returns the text. */
export function writeResults(kind, results, text, out) {
  const name = [results.date, machineName(results.machine), kind].filter(Boolean).join('-');
  const base = (out ?? path.join(root, 'bench', 'results', name)).replace(/\.(json|md)$/, '');
  fs.mkdirSync(path.dirname(base), { recursive: true });
  for (const [file, content] of [
    [`${base}.json`, `${JSON.stringify(results, null, 2)}\n`],
    [`${base}.md`, text],
  ]) {
    fs.writeFileSync(file, content);
    console.error(`edge-infer: wrote ${path.relative(process.cwd(), file)}`);
  }
  return text;
}
