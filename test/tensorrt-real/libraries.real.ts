/**
 * Real libraries of TensorRT, which have no GPU here: how they are opened, and that they do not bring the process down
 * (`npm run test:tensorrt -- real`).
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { root, runProgram } from '../support/child.js';
import { tellDriver } from '../support/engine.js';

const library = process.env['EDGE_INFER_TENSORRT_REAL']!;
const release = /tensorrt-(\d+)\.(\d+)-/.exec(library)!;
const [major, minor] = [Number(release[1]), Number(release[2])];
const real = { EDGE_INFER_TENSORRT: library };

beforeEach(() => tellDriver());

/** Prints how the load ends in a process of its own. */
const attempt = (isolate: boolean) => `
  await edge.loadModel(Buffer.from('ftrt'), { device: 'tensorrt', isolate: ${isolate} }).then(
    () => console.log('loaded'),
    ({ code, message, remedy, cause }) => console.log(JSON.stringify({ code, message, remedy, cause: String(cause) })),
  );`;

async function failure(env: NodeJS.ProcessEnv, isolate = false) {
  const { code, signal, stdout, stderr } = await runProgram(attempt(isolate), { ...real, ...env });
  expect([code, signal, stderr]).toEqual([0, null, expect.any(String)]);
  return JSON.parse(stdout) as { code: string; message: string; remedy: string; cause: string };
}

test('without a driver: said before TensorRT is touched', async () => {
  const error = await failure({ EDGE_INFER_CUDA: path.join(__dirname, 'no-driver') });
  expect(error.code).toBe('ERR_UNAVAILABLE');
  expect(error.message).toContain('cuda');
  expect(error.remedy).not.toBe('');
});

test('its version is told', async () => {
  const program = `
    const found = (await edge.listBackends()).find(({ name }) => name === 'tensorrt');
    console.log(JSON.stringify(found));`;
  const { code, stdout, stderr } = await runProgram(program, real);
  expect([code, stderr]).toEqual([0, expect.any(String)]);
  const version = expect.stringContaining(`${major}.${minor}.`) as string;
  expect(JSON.parse(stdout)).toMatchObject({ available: true, version, libraries: { tensorrt: library } });
  for (const command of ['devices', 'doctor']) {
    const cli = spawnSync(process.execPath, [path.join(root, 'dist', 'cli', 'main.js'), command], {
      env: { ...process.env, ...real },
      encoding: 'utf8',
    });
    expect(cli.stdout).toMatch(new RegExp(`tensorrt\\b.*\\b${major}\\.${minor}\\.`));
  }
});

test('a driver that its CUDA runtime does not take is an error, not a crash', async () => {
  // The simulated driver is found by the library under the name of NVIDIA's, and has not what that has.
  tellDriver('driver 11040');
  const error = await failure({});
  expect(error).toMatchObject({ code: 'ERR_UNAVAILABLE' });
  expect(error.message).toContain(`TensorRT ${major}.${minor}.`);
  expect(error.cause).toMatch(/CUDA initialization failure with error: 3[56]/);
});

test('in a host, a CUDA runtime that does not start is an error whatever the driver says', async () => {
  const error = await failure({}, true);
  // 8.6 crashes, and only the host with it.
  expect(error.code).toBe(major < 10 ? 'ERR_DEVICE_LOST' : 'ERR_UNAVAILABLE');
  expect(error.message).toMatch(major < 10 ? /signal 11/ : /does not start on this GPU/);
});
