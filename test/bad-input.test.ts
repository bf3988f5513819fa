/** The corpus of damaged models is the same on every machine, and each of its files is damaged. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const checkout = path.join(__dirname, '..');

interface Damaged {
  readonly id: string;
  readonly mutation: string;
  readonly hash: string;
  readonly same: boolean;
}

/** Of a source's damaged models, what became of each. */
function describeCorpus(source: string): Damaged[] {
  const url = JSON.stringify(pathToFileURL(path.join(checkout, 'test', 'bad-input', 'corpus.mjs')).href);
  const text = `import { createHash } from 'node:crypto';
    import { corpus, damaged } from ${url};
    const hash = ({ model, weights }) => createHash('sha256').update(model).update(weights ?? '').digest('hex');
    const list = corpus().filter(({ source }) => source === ${JSON.stringify(source)});
    const whole = hash(damaged(list[0]));
    console.log(JSON.stringify(list.map((one) => {
      const made = damaged(one);
      return { id: one.id, mutation: made.mutation, hash: hash(made), same: hash(made) === whole };
    })));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Damaged[];
}

it.each([
  ['small-network', 151, 12],
  ['near-empty', 51, 10],
  ['ocr-classifier', 161, 9],
  ['products', 151, 9],
  ['non-zero', 101, 9],
  ['identity', 61, 9],
])('%s', (source, count, kinds) => {
  const list = describeCorpus(source);
  expect(list).toHaveLength(count);
  expect(list[0]).toMatchObject({ id: `${source}-whole`, mutation: 'none', same: true });
  // A few mutations do nothing: zeros over zeros, neighbours that are equal.
  expect(list.filter(({ same }) => same).length).toBeLessThan(count / 10);
  expect(new Set(list.map(({ hash }) => hash)).size).toBeGreaterThan(0.8 * count);
  expect(new Set(list.map(({ mutation }) => mutation)).size).toBeGreaterThanOrEqual(kinds);
  expect(describeCorpus(source)).toEqual(list);
});
