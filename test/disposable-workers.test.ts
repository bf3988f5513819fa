// Jobs in disposable children: what becomes of each job whatever it does to its child; and what fails an ONNX suite's run.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Folder } from './support/folder.js';

const folder = new Folder();
const checkout = path.join(__dirname, '..');

/** What a script prints as JSON; it may import the scripts by these names. */
function evaluate(text: string): unknown {
  const url = (name: string): string => JSON.stringify(pathToFileURL(path.join(checkout, name)).href);
  const imports = `import { runInChildren } from ${url('scripts/disposable-workers.mjs')};
    import { complaints, outcomes, tabulate } from ${url('test/onnx-suite/outcomes.mjs')};`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', `${imports}\n${text}`], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

const worker = folder.write(
  'worker.cjs',
  `const fs = require('node:fs');
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const job = JSON.parse(line);
    if (job === 'abort') { fs.writeSync(2, 'some last words'); process.abort(); }
    if (job === 'exit') process.exit(3);
    if (job === 'hang') for (;;);
    if (job === 'fail at the end') process.on('exit', () => (process.exitCode = 4));
    fs.writeSync(3, JSON.stringify({ job, pid: process.pid }) + '\\n');
  });`,
);

function runJobs(jobs: readonly string[], options = ''): { outcome: string; value?: { job: string; pid: number } }[] {
  return evaluate(`console.log(JSON.stringify(await runInChildren(${JSON.stringify(jobs)},
    { command: process.execPath, args: [${JSON.stringify(worker)}], timeoutMs: 10_000, ${options} })));`) as never;
}

describe('disposable workers', () => {
  it('a death or a hang is the result of its job, and the others are answered', () => {
    const results = runJobs(['a', 'abort', 'b', 'exit', 'hang', 'c', 'd']);
    expect(results).toMatchObject([
      { outcome: 'answered', value: { job: 'a' } },
      { outcome: 'crashed', how: 'SIGABRT', words: expect.stringContaining('some last words') as string },
      { outcome: 'answered', value: { job: 'b' } },
      { outcome: 'crashed', how: 'exit code 3' },
      { outcome: 'timed out' },
      { outcome: 'answered', value: { job: 'c' } },
      { outcome: 'answered', value: { job: 'd' } },
    ]);
    expect(results[5]?.value?.pid).toBe(results[6]?.value?.pid);
    expect(results[0]?.value?.pid).not.toBe(results[2]?.value?.pid);
  });

  it('a child that does not end cleanly died of its last job', () => {
    expect(runJobs(['a', 'fail at the end'])).toMatchObject([
      { outcome: 'answered' },
      { outcome: 'crashed', how: 'exit code 4' },
    ]);
  });

  it('a child is replaced after as many jobs as it may have', () => {
    const pids = runJobs(['a', 'b', 'c', 'd', 'e'], 'perChild: 2').map(({ value }) => value?.pid);
    expect(pids[0]).toBe(pids[1]);
    expect(pids[2]).toBe(pids[3]);
    expect(new Set(pids).size).toBe(3);
  });
});

describe('the ONNX suite', () => {
  /** What a run complains of: our result, the judge's words on it, Python's result, and its failures of before. */
  function complain(ours: object, wrong: string | null, python: object, before: object, reason = 'null'): unknown {
    return evaluate(`
      const cases = [{ group: 'node', name: 'add', notApplicable: ${reason} }];
      const list = outcomes(cases, { 'edge-infer': [${JSON.stringify(ours)}], openvino: [${JSON.stringify(python)}] },
        [{ 'edge-infer': ${JSON.stringify(wrong)}, openvino: null, same: false }]);
      const expected = { groups: { node: ${JSON.stringify(before)} } };
      console.log(JSON.stringify(complaints(list, expected)));`);
  }
  const ran = { outcome: 'answered', value: { sets: [] } };
  const refused = { outcome: 'answered', value: { error: { code: 'ERR_INVALID_MODEL', words: ['No such operator'] } } };
  const untyped = { outcome: 'answered', value: { error: { code: 'untyped', words: ['x is not a function'] } } };
  const crashed = { outcome: 'crashed', how: 'SIGSEGV', words: '' };
  const passing = { passed: 1, failed: {}, notApplicable: {} };
  const failing = { passed: 0, failed: { add: { ours: 'fails', python: 'fails' } }, notApplicable: {} };

  it.each([
    ['a case that passes', ran, null, ran, passing, []],
    ['a known failure of OpenVINO', refused, null, refused, failing, []],
    ['a case that Python passes', refused, null, ran, failing, [expect.stringContaining("Python's OpenVINO passes")]],
    ['wrong values', ran, 'output 0 differs', ran, failing, [expect.stringContaining('output 0 differs')]],
    ['a case that passed before', refused, null, refused, passing, [expect.stringContaining('it passed before')]],
    ['a crash', crashed, null, ran, failing, [expect.stringContaining('crashed: SIGSEGV')]],
    ['a suite that has shrunk', ran, null, ran, { ...passing, passed: 2 }, [expect.stringContaining('expected 2')]],
  ])('%s', (_, ours, wrong, python, before, whys) => {
    const found = complain(ours, wrong, python, before) as [string, string][];
    expect(found.map(([, why]) => why)).toEqual(whys);
  });

  it('a model whose types the API has not: refused by a typed error, or loaded', () => {
    const before = { passed: 0, failed: {}, notApplicable: { string: 1 } };
    expect(complain(refused, null, ran, before, '"string"')).toEqual([]);
    expect(complain(ran, null, ran, before, '"string"')).toEqual([]);
    expect(complain(untyped, null, ran, before, '"string"')).toHaveLength(1);
    expect(complain(crashed, null, ran, before, '"string"')).toHaveLength(1);
  });
});
