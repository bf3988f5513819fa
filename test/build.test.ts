// The build's decisions: content counts, times do not; a failed build leaves no stamp; missing tools are named.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const checkout = path.join(__dirname, '..');
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-build-'));
const source = path.join(root, 'lib', 'index.ts');
const stamp = path.join(root, 'build', 'stamps', 'ts.json');

/** A project of one file, with the real scripts. */
beforeAll(() => {
  fs.cpSync(path.join(checkout, 'scripts'), path.join(root, 'scripts'), { recursive: true });
  for (const name of ['package.json', 'tsconfig.json', 'CMakeLists.txt', 'runtimes/manifest.json']) {
    fs.cpSync(path.join(checkout, name), path.join(root, name));
  }
  fs.symlinkSync(path.join(checkout, 'node_modules'), path.join(root, 'node_modules'));
  fs.mkdirSync(path.join(root, 'lib'));
  fs.mkdirSync(path.join(root, 'native'));
  fs.writeFileSync(source, 'export const answer = 42;\n');
});

afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

function run(args: string[], env: NodeJS.ProcessEnv = process.env) {
  const options = { cwd: root, encoding: 'utf8', env } as const;
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'scripts', 'build.mjs'), ...args], options);
  return { status, lines: stderr.trim().split('\n') };
}

test('builds once; a new time is no change, new content is; a failure leaves no stamp and the old output', () => {
  expect(run(['--only', 'ts']).lines).toContain('edge-infer: built ts.');
  expect(fs.existsSync(path.join(root, 'dist', 'index.js'))).toBe(true);
  expect(run(['--only', 'ts'])).toEqual({ status: 0, lines: ['edge-infer: the build is up to date.'] });

  fs.utimesSync(source, new Date(), new Date());
  expect(run(['--only', 'ts']).lines).toEqual(['edge-infer: the build is up to date.']);

  fs.writeFileSync(source, 'export const answer: string = 42;\n');
  const failed = run(['--only', 'ts']);
  expect(failed.status).toBe(1);
  expect(failed.lines[failed.lines.length - 1]).toBe('edge-infer: the TypeScript sources did not compile.');
  expect(fs.existsSync(stamp)).toBe(false);
  expect(fs.readFileSync(path.join(root, 'dist', 'index.js'), 'utf8')).toContain('42');

  fs.writeFileSync(source, 'export const answer = 43;\n');
  expect(run(['--only', 'ts']).lines).toContain('edge-infer: built ts.');
  expect(fs.readFileSync(path.join(root, 'dist', 'index.js'), 'utf8')).toContain('43');

  fs.rmSync(path.join(root, 'dist', 'index.js'));
  expect(run(['--only', 'ts']).lines).toContain('edge-infer: built ts.');
});

test('missing tools are named in one sentence, with the command that installs them', () => {
  const { status, lines } = run(['--only', 'addon'], { PATH: path.join(root, 'nothing') });
  expect(status).toBe(1);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/C\+\+ compiler.*CMake.*make.*`apt-get install g\+\+ cmake make`/);
});

test('prepare is silent where there is nothing to build with', () => {
  const away = path.join(root, 'native-away');
  fs.renameSync(path.join(root, 'native'), away);
  expect(run(['--prepare'], { PATH: path.join(root, 'nothing') })).toEqual({ status: 0, lines: [''] });
  fs.renameSync(away, path.join(root, 'native'));
});

/** Evaluates an expression with the functions of one of the scripts. */
function evaluate(script: string, expression: string): unknown {
  const file = path.join(checkout, 'scripts', script);
  const program = `import * as script from ${JSON.stringify(`file://${file}`)}; console.log(JSON.stringify(${expression}))`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

test('a key changes with content, names and facts', () => {
  const folder = path.join(root, 'keys');
  fs.mkdirSync(folder);
  const key = (facts = '{}') =>
    evaluate('content-key.mjs', `script.contentKey(${JSON.stringify(root)}, ['keys'], ${facts})`);
  const empty = key();
  fs.writeFileSync(path.join(folder, 'a'), 'one');
  const one = key();
  expect(key()).toBe(one);
  fs.renameSync(path.join(folder, 'a'), path.join(folder, 'b'));
  const renamed = key();
  fs.writeFileSync(path.join(folder, 'b'), 'two');
  expect(new Set([empty, one, renamed, key(), key('{"compiler":"x"}')]).size).toBe(5);
});

test("ctest's output is read, and a line that is not understood is a failure", () => {
  const text = [
    '1/4 Test #1: Core.Half .......................   Passed    0.01 sec',
    '2/4 Test #2: Core.A/0 ........................***Failed    0.00 sec',
    '3/4 Test #3: Core.B ..........................***Exception: SegFault  0.10 sec',
    '4/4 Test #4: Core.C ..........................***Skipped   0.00 sec',
    '50% tests passed, 2 tests failed out of 4',
  ];
  const parse = (lines: string[]) => evaluate('results.mjs', `script.parseCtest(${JSON.stringify(lines.join('\n'))})`);
  expect(parse(text)).toEqual({ passed: 1, failed: ['Core.A/0', 'Core.B'], skipped: ['Core.C'] });
  expect(parse(text.slice(1))).toMatchObject({
    failed: ['Core.A/0', 'Core.B', expect.stringContaining('3 of its lines')],
  });
});

test('under the name of a test that failed stands why', () => {
  const ctest = [
    '1/2 Test #1: Core.A ..........................***Failed    0.00 sec',
    'Note: Google Test filter = Core.A',
    '[ RUN      ] Core.A',
    'a_test.cc:12: Failure',
    '  Expected: 1',
    '[  FAILED  ] Core.A (0 ms)',
    '',
    '    Start 2: Core.B',
    '2/2 Test #2: Core.B ..........................   Passed    0.01 sec',
    '50% tests passed, 1 tests failed out of 2',
  ].join('\n');
  expect(evaluate('results.mjs', `script.parseCtest(${JSON.stringify(ctest)})`)).toEqual({
    passed: 1,
    failed: ['Core.A\n    a_test.cc:12: Failure\n    Expected: 1'],
    skipped: [],
  });
  const testResults = [
    {
      name: path.join(checkout, 'a.test.ts'),
      status: 'failed',
      assertionResults: [
        { fullName: 'adds', status: 'failed', failureMessages: ['Error: \u001b[31mtwo\u001b[39m\n\n  at a:1'] },
        { fullName: 'takes', status: 'passed', failureMessages: [] },
      ],
    },
    { name: path.join(checkout, 'b.test.ts'), status: 'failed', message: 'no such module', assertionResults: [] },
  ];
  expect(evaluate('results.mjs', `script.parseJest(${JSON.stringify({ testResults })})`)).toEqual({
    passed: 1,
    failed: ['a.test.ts: adds\n    Error: two\n    at a:1', 'b.test.ts (does not run)\n    no such module'],
    skipped: [],
  });
});
