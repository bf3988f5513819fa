// The program as a whole: help, versions, exit codes of every kind, errors as JSON, a reader that goes away.
import fs from 'node:fs';
import path from 'node:path';
import type { Manifest } from '../../lib/manifest.js';
import { echoModel, edgeInfer, edgeInferJson, onEcho, temporaryFolder } from './program.js';

const folder = temporaryFolder();
const model = echoModel(folder, 'input x f32 2\noutput y = add x 1');
const manifest = JSON.parse(fs.readFileSync(path.join(__dirname, '..', '..', 'package.json'), 'utf8')) as {
  version: string;
};
const commands = [
  'devices',
  'board',
  'doctor',
  'inspect',
  'run',
  'compare',
  'convert',
  'build',
  'bench',
  'cache',
  'runtimes',
];

interface Failed {
  readonly error: { readonly code: string; readonly message: string; readonly remedy: string };
}

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('help', () => {
  test('--version', async () => {
    expect(await edgeInfer(['--version'])).toMatchObject({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
    expect((await edgeInferJson(['--version'])).json).toEqual({ version: manifest.version });
  });

  test.each([[['help']], [['--help']]])('%j names every command and exit code', async (words) => {
    const { code, stdout, stderr } = await edgeInfer(words);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of commands) expect(stdout).toContain(`\n  ${command}`);
    for (const meaning of [
      '0  ok',
      '1  failed',
      '2  usage',
      '3  no such device',
      '4  bad model',
      '5  a check failed',
    ]) {
      expect(stdout).toContain(meaning);
    }
  });

  test.each(commands)('help %s, and %s --help without its arguments', async (command) => {
    const [asked, flagged] = await Promise.all([edgeInfer(['help', command]), edgeInfer([command, '--help'])]);
    expect(asked).toMatchObject({ code: 0, stderr: '' });
    expect(asked.stdout).toContain(`Usage: edge-infer ${command}`);
    expect(asked.stdout).toContain('--json');
    expect(flagged).toEqual(asked);
  });

  test('as JSON', async () => {
    const { json } = await edgeInferJson<{ commands: { name: string }[] }>(['help']);
    expect(json.commands.map((command) => command.name)).toEqual(commands);
  });
});

describe('2: the command line is wrong', () => {
  test.each<[string[], RegExp, string]>([
    [[], /Expected a command/, 'edge-infer COMMAND'],
    [['fly'], /Unknown command 'fly'/, 'edge-infer COMMAND'],
    [['help', 'fly'], /Unknown command 'fly'/, 'edge-infer'],
    [['--fly'], /Unknown option '--fly'/, 'edge-infer COMMAND'],
    [['devices', '--fly'], /Unknown option '--fly'/, 'edge-infer devices'],
    [['devices', 'cpu'], /Unexpected argument 'cpu'/, 'edge-infer devices'],
    [['inspect'], /Missing argument MODEL/, 'edge-infer inspect MODEL'],
    [['run'], /Missing argument MODEL/, 'edge-infer run MODEL'],
    [['run', model, '--seed', 'x', '--random', ...onEcho], /--seed to be a whole number/, 'edge-infer run MODEL'],
    [['run', model, '--shapes', '1x2'], /--shapes to be NAME=1x3x224x224/, 'edge-infer run MODEL'],
    [['run', model, '--property', 'x'], /--property to be NAME=VALUE/, 'edge-infer run MODEL'],
    [['run', model, '--threads', '0'], /--threads to be a whole number of at least 1/, 'edge-infer run MODEL'],
    [['run', model, '--hint', 'speed'], /--hint to be latency or throughput/, 'edge-infer run MODEL'],
    [['run', model, '--device', 'cpu,'], /--device to be a device or several/, 'edge-infer run MODEL'],
    [['run', model, ...onEcho], /needs 'x' \(f32 2\): give --input NAME=FILE.npy/, 'edge-infer run MODEL'],
    [['bench', model, '--fail-if', 'fast', ...onEcho], /Cannot read --fail-if 'fast'/, 'edge-infer bench MODEL'],
    [['bench', model, '--fail-if', 'late>1', ...onEcho], /needs --rate/, 'edge-infer bench MODEL'],
    [['bench', model, '--duration', '-1s', ...onEcho], /--duration/, 'edge-infer bench MODEL'],
    [['bench', model, '--rate', '0', ...onEcho], /--rate to be a number above 0/, 'edge-infer bench MODEL'],
    [['bench', model, '--sync', '--concurrency', '2'], /--sync runs one at a time/, 'edge-infer bench MODEL'],
    [['bench', model, '--sync', '--rate', '30'], /--sync would hold up/, 'edge-infer bench MODEL'],
    [['bench', model, '--warmup', 'long'], /--warmup to be runs/, 'edge-infer bench MODEL'],
    [['cache'], /Missing argument list\|verify\|clear/, 'edge-infer cache'],
    [['cache', 'shrink'], /Expected list, verify or clear, got 'shrink'/, 'edge-infer cache'],
    [['cache', 'list', '--backend', 'openvino'], /--backend is for clear only/, 'edge-infer cache'],
    [['runtimes'], /Missing argument install\|list\|verify/, 'edge-infer runtimes'],
    [['runtimes', 'remove'], /Expected install, list or verify/, 'edge-infer runtimes'],
    [['runtimes', 'list', 'openvino'], /Unexpected argument/, 'edge-infer runtimes'],
  ])('%j', async (words, message, usage) => {
    const [plain, asJson] = await Promise.all([edgeInfer(words), edgeInferJson<Failed>(words)]);
    expect(plain).toMatchObject({ code: 2, stdout: '' });
    expect(plain.stderr).toMatch(message);
    const usageLines = plain.stderr.split('\n').filter((line) => line.startsWith('Usage: '));
    expect(usageLines).toHaveLength(1);
    expect(usageLines[0]).toContain(usage);
    expect(asJson.code).toBe(2);
    expect(asJson.json.error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(message),
      remedy: expect.stringContaining(usage),
    });
  });

  test('what the library refuses', async () => {
    const { code, json } = await edgeInferJson<Failed>(['run', model, '--random', '--precision', 'f12', ...onEcho]);
    expect(code).toBe(2);
    expect(json.error.message).toContain('f12');
  });

  test('a runtime that does not exist', async () => {
    expect((await edgeInferJson<Failed>(['runtimes', 'install', 'nothing'])).code).toBe(2);
  });
});

describe('other failures', () => {
  test.each<[string, string[], number, string]>([
    ['no such file', ['run', path.join(folder, 'none.echo'), '--random', ...onEcho], 4, 'ERR_MODEL_NOT_FOUND'],
    ['no model', ['inspect', path.join(folder, 'bad.echo'), ...onEcho], 4, 'ERR_INVALID_MODEL'],
    ['refused by the SDK', ['inspect', model, '--property', 'refuse=ERR_UNSUPPORTED', ...onEcho], 4, 'ERR_UNSUPPORTED'],
    ['device in use', ['inspect', model, '--property', 'refuse=ERR_DEVICE_BUSY', ...onEcho], 3, 'ERR_DEVICE_BUSY'],
    ['no such device', ['inspect', model, '--device', 'echo:gpu'], 3, 'ERR_UNAVAILABLE'],
    ['out of memory', ['inspect', model, '--property', 'refuse=ERR_OUT_OF_MEMORY', ...onEcho], 1, 'ERR_OUT_OF_MEMORY'],
    ['the run fails', ['run', model, '--random', '--property', 'fail_at=1 ERR_BACKEND', ...onEcho], 1, 'ERR_BACKEND'],
    [
      'unsupported, but loaded',
      ['run', model, '--random', '--property', 'fail_at=1 ERR_UNSUPPORTED', ...onEcho],
      1,
      'ERR_UNSUPPORTED',
    ],
    [
      'the device is lost',
      ['run', model, '--random', '--property', 'fail_at=1 ERR_DEVICE_LOST', ...onEcho],
      3,
      'ERR_DEVICE_LOST',
    ],
    [
      'lost while measuring',
      ['bench', model, '--property', 'fail_at=9 ERR_DEVICE_LOST', ...onEcho],
      3,
      'ERR_DEVICE_LOST',
    ],
    [
      'a check',
      ['bench', model, '--duration', '50ms', '--warmup', '1', '--fail-if', 'mean>0', ...onEcho],
      5,
      'ERR_CHECK_FAILED',
    ],
  ])('%s', async (_, words, exitCode, errorCode) => {
    fs.writeFileSync(path.join(folder, 'bad.echo'), 'not an echo model\n');
    const [plain, asJson] = await Promise.all([edgeInfer(words), edgeInferJson<Failed>(words)]);
    expect(asJson).toMatchObject({ code: exitCode, json: { error: { code: errorCode } } });
    expect(typeof asJson.json.error.remedy).toBe('string');
    expect(plain.code).toBe(exitCode);
    expect(plain.stderr).toMatch(/edge-infer: \S/);
    expect(plain.stderr).not.toContain('Usage:');
    expect(plain.stderr).not.toMatch(/\n\s+at /); // no stack: these are not our mistakes
    if (exitCode !== 5) expect(plain.stdout).toBe('');
  });

  test('3 without a binary, and the reason', async () => {
    const env = { EDGE_INFER_BINDING: path.join(folder, 'none.node') };
    const { code, json, stderr } = await edgeInferJson<Failed>(['devices'], { env });
    expect({ code, error: json.error.code }).toEqual({ code: 3, error: 'ERR_UNAVAILABLE' });
    expect(stderr).toContain('none.node');
  });
});

test('a reader that goes away is no crash', async () => {
  const words = ['bench', model, '--duration', '200ms', '--warmup', '1', ...onEcho];
  const ended = await edgeInfer([...words, '--json'], { during: (child) => child.stdout?.destroy() });
  expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
});

test('devices: echo only when asked for', async () => {
  interface Devices {
    backends: { name: string; available: boolean; devices: { id: string }[] }[];
  }
  const [listed, all] = await Promise.all([
    edgeInferJson<Devices>(['devices']),
    edgeInferJson<Devices>(['devices', '--all']),
  ]);
  expect([listed.code, all.code]).toEqual([0, 0]);
  const names = (devices: Devices): string[] => devices.backends.map((backend) => backend.name);
  expect(names(listed.json)).not.toContain('echo');
  expect(names(all.json)).toEqual([...names(listed.json), 'echo']);
  expect(all.json.backends.find((backend) => backend.name === 'echo')).toMatchObject({
    available: true,
    devices: [{ id: 'echo:cpu' }],
  });
  expect(all.stdout).not.toContain('searched'); // that is the doctor's
});

test('runtimes list and verify', async () => {
  const list = await edgeInferJson<{ runtimes: { id: string; directory: string | null }[] }>(['runtimes', 'list']);
  expect(list.code).toBe(0);
  expect(list.json.runtimes.map((runtime) => runtime.id)).toContain('openvino');
  const env = { EDGE_INFER_RUNTIMES: folder, XDG_DATA_HOME: folder };
  const verified = await edgeInferJson<{ runtimes: unknown[] }>(['runtimes', 'verify'], { env });
  expect(verified.code).toBe(0);
  const installed = list.json.runtimes.filter((runtime) => runtime.directory !== null);
  expect(verified.json.runtimes).toHaveLength(installed.length);
});

test('3: a runtime that cannot be had keeps nobody from the others', async () => {
  // A copy of the package with what it depends on, so that nothing is installed; and no client on PATH.
  const root = path.join(__dirname, '..', '..');
  const copy = path.join(folder, 'copy');
  const { dependencies } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  const needed = Object.keys(dependencies).map((name) => path.join('node_modules', name));
  for (const name of ['dist', 'package.json', 'runtimes/manifest.json', ...needed]) {
    fs.cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  }
  const env = { PATH: path.join(folder, 'none'), XDG_DATA_HOME: path.join(folder, 'data'), EDGE_INFER_RUNTIMES: '' };
  const options = { env, program: path.join(copy, 'dist', 'cli', 'main.js') };
  interface Installed extends Failed {
    readonly runtimes: { readonly id: string; readonly version: string; readonly platform: string }[];
    readonly failed: Failed['error'][];
  }
  const none = await edgeInferJson<Installed>(['runtimes', 'install'], options);
  expect(none).toMatchObject({ code: 3, json: { runtimes: [], failed: [{}, {}], error: { code: 'ERR_UNAVAILABLE' } } });
  const list = await edgeInferJson<Installed>(['runtimes', 'list'], options);
  const [first] = list.json.runtimes;
  const directory = path.join(copy, 'runtimes', `${first?.id}-${first?.version}-${first?.platform}`);
  const manifest = JSON.parse(fs.readFileSync(path.join(copy, 'runtimes', 'manifest.json'), 'utf8')) as Manifest;
  const sha256 = manifest.parts[0]?.platforms[first?.platform ?? '']?.sha256;
  fs.mkdirSync(directory);
  fs.writeFileSync(path.join(directory, '.installed.json'), JSON.stringify({ sha256, files: [] }));
  const one = await edgeInferJson<Installed>(['runtimes', 'install'], options);
  expect(one).toMatchObject({ code: 3, json: { runtimes: [{ id: 'openvino', fetched: false }] } });
  expect(one.json.failed).toHaveLength(1);
  expect(one.json.error).toMatchObject({ message: expect.stringMatching(/^Fetching tflite .* needs mvn/) as string });
});

test('5: a runtime whose files have changed', async () => {
  const list = await edgeInferJson<{ runtimes: { id: string; version: string; platform: string }[] }>([
    'runtimes',
    'list',
  ]);
  const openvino = list.json.runtimes.find((runtime) => runtime.id === 'openvino');
  const runtimes = path.join(folder, 'changed');
  fs.mkdirSync(path.join(runtimes, `openvino-${openvino?.version}-${openvino?.platform}`), { recursive: true });
  const verified = await edgeInferJson<Failed & { runtimes: object[] }>(['runtimes', 'verify', 'openvino'], {
    env: { EDGE_INFER_RUNTIMES: runtimes },
  });
  expect(verified).toMatchObject({ code: 5, json: { error: { code: 'ERR_CHECK_FAILED' }, runtimes: [{ ok: false }] } });
});
