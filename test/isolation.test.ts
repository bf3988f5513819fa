/** `isolate` and `trust: 'probe'`: what an application sees when a host process is lost, shared, sandboxed or hangs. */
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { events, InferenceError, loadModel, type Model } from '../lib/index.js';
import type { DeviceEvent, LoadOptions, LogEvent } from '../lib/types.js';
import { runProgram } from './support/child.js';
import { echo, echoPlusOne } from './support/echo.js';
import { Folder } from './support/folder.js';
import { Ir, slowIr } from './support/ir.js';
import { numbers } from './support/values.js';
import { rejection, until } from './support/wait.js';

const x = Float32Array.of(1);
const folder = new Folder();
// Far beyond what this machine needs, so that nothing but what a test is about ends a host.
const patient = { hangTimeoutMs: 60_000, firstRunTimeoutMs: 60_000 };

let open: Model[] = [];
afterEach(async () => {
  await Promise.all(open.map((model) => model.dispose({ timeoutMs: 10_000 })));
  open = [];
});

async function load(text: Uint8Array, options: LoadOptions = {}): Promise<Model> {
  const model = await loadModel(text, { device: 'echo:cpu', isolate: patient, ...options });
  open.push(model);
  return model;
}

function once(name: string): string {
  return `once "${path.join(folder.path, name)}"`;
}

/** State and parent of a process; null where there is none, or one that has ended and only was not waited for yet. */
function processFacts(pid: number): { parent: number; name: string } | null {
  let stat: string;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  const end = stat.lastIndexOf(')');
  const [state, parent] = stat.slice(end + 2).split(' ');
  return state === 'Z' ? null : { parent: Number(parent), name: stat.slice(stat.indexOf('(') + 1, end) };
}

function exists(pid: number): boolean {
  return processFacts(pid) !== null;
}

/** Host processes of this process. */
function children(): number[] {
  return fs
    .readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const facts = processFacts(pid);
      return facts?.parent === process.pid && facts.name.startsWith('edge_infer-host'.slice(0, 15));
    });
}

/** The kinds and messages of device events that come while `work` goes on and until `count` have come. */
async function eventsDuring(count: number, work: () => Promise<void>): Promise<[string, DeviceEvent][]> {
  const heard: [string, DeviceEvent][] = [];
  const onLost = (event: DeviceEvent): void => void heard.push(['lost', event]);
  const onRecovered = (event: DeviceEvent): void => void heard.push(['recovered', event]);
  events.on('deviceLost', onLost).on('deviceRecovered', onRecovered);
  try {
    await work();
    await until(() => heard.length >= count, `${count} device events`);
  } finally {
    events.off('deviceLost', onLost).off('deviceRecovered', onRecovered);
  }
  return heard;
}

describe('isolate', () => {
  it('says so, and where', async () => {
    const model = await load(echoPlusOne());
    expect(model.info).toMatchObject({ isolated: true, backend: 'echo', device: 'echo:cpu' });
    const host = model.host()!;
    expect(host).toMatchObject({ up: true, restarts: 0 });
    expect(host.sandbox).toContain('no new privileges');
    expect(exists(host.pid)).toBe(true);
    expect(host.pid).not.toBe(process.pid);
    const here = await load(echoPlusOne(), { isolate: false });
    expect(here.info.isolated).toBe(false);
    expect(here.host()).toBeNull();
  });

  it.each([
    ['crash', /crashed: signal 11/],
    ['abort', /crashed: signal 6/],
    ['exit', /ended with exit code 3/],
  ])('%s: ERR_DEVICE_LOST, events, and recovery', async (fault, words) => {
    const model = await load(echoPlusOne(`fault_at 2 ${fault}`, once(fault)));
    const request = model.createRequest();
    const view = request.inputs['x']!.data as Float32Array;
    const { pid } = model.host()!;
    view.set([1]);
    await request.run();
    const heard = await eventsDuring(2, async () => {
      const error = (await rejection(request.run())) as InferenceError;
      expect(error).toBeInstanceOf(InferenceError);
      expect(error).toMatchObject({ code: 'ERR_DEVICE_LOST', backend: 'echo' });
      expect(error.message).toMatch(words);
      expect(error.remedy).toMatch(/restarted by itself/);
      if (fault === 'abort') expect(error.cause).toMatch(/aborting, as it was told to/);
    });
    expect(heard.map(([kind]) => kind)).toEqual(['lost', 'recovered']);
    expect(heard[0]![1]).toMatchObject({ device: 'echo:cpu', backend: 'echo', count: 1 });
    expect(heard[0]![1].message).toMatch(words);
    expect(exists(pid)).toBe(false);
    view.set([41]); // the same memory as before
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([42]);
    expect(model.host()).toMatchObject({ up: true, restarts: 1 });
  });

  it('what integers stand for crosses the process boundary', async () => {
    const model = await load(echo('input x i8 1,2', 'output y = identity x', 'quantized x 1 0.5 -128 0.25 127'));
    expect(model.inputs[0]?.quantization).toEqual({ scale: [0.5, 0.25], zeroPoint: [-128, 127], axis: 1 });
    expect(model.outputs[0]).not.toHaveProperty('quantization');
  });

  it('retry: the run under which the host is lost is made once more', async () => {
    const model = await load(echoPlusOne('fault_at 2 crash', once('retry')), { isolate: { ...patient, retry: true } });
    for (let i = 0; i < 4; i++) {
      const { y } = await model.run({ x: Float32Array.of(i) });
      expect(numbers(y!.data)).toEqual([i + 1]);
    }
    expect(model.host()!.restarts).toBe(1);
    expect(model.statistics()).toMatchObject({ submitted: 4, completed: 4, failed: 0 });
  });

  it('retry: twice lost is lost', async () => {
    const model = await load(echoPlusOne('fault_at 1 crash'), { isolate: { ...patient, retry: true } });
    expect(await rejection(model.run({ x }))).toMatchObject({ code: 'ERR_DEVICE_LOST' });
  });

  it('a hang ends the host, not the caller’s deadline', async () => {
    const model = await load(echoPlusOne('stuck_at 2', once('unused')), {
      isolate: { hangTimeoutMs: 2000, firstRunTimeoutMs: 60_000 },
    });
    const request = model.createRequest();
    await request.run();
    const [lost] = await eventsDuring(1, async () => {
      // Until one has come to the host: on a busy machine a deadline may pass before that.
      let busy = false;
      for (let deadlineMs = 20; model.host()!.up && model.host()!.restarts === 0; deadlineMs *= 2) {
        expect(await rejection(request.run({ deadlineMs }))).toMatchObject({ code: 'ERR_TIMEOUT' });
        busy = request.busy;
        await until(() => !request.busy, 'the host to let go');
      }
      expect(busy).toBe(true); // the device had it still
    });
    expect(lost![1].message).toMatch(/did not answer for 2000 ms/);
    await until(() => !request.busy && model.host()!.up, 'the host to be back');
    await request.run();
  });

  it('a cancel that comes late does not end the next run', async () => {
    const slowToCancel = await load(echoPlusOne('delay_ms 60000', 'cancel_ms 500'));
    const model = await load(echoPlusOne('delay_ms 100'));
    const request = model.createRequest();
    const abort = async (which: Model, run: (signal: AbortSignal) => Promise<unknown>): Promise<void> => {
      const controller = new AbortController();
      const aborted = run(controller.signal);
      await until(() => which.statistics().running === 1, 'the run to start');
      controller.abort('enough');
      expect(await rejection(aborted)).toBe('enough');
    };
    // One host, which makes cancels one after the other: the second waits there while its run ends by itself.
    await abort(slowToCancel, (signal) => slowToCancel.run({ x }, { signal }));
    await abort(model, (signal) => request.run({ signal }));
    await until(() => !request.busy, 'the device to let go');
    for (let i = 0; i < 8; i++) await request.run();
    expect(model.statistics()).toMatchObject({ aborted: 1, completed: 8, failed: 0 });
  });

  it('a leak ends the host', async () => {
    const model = await load(echoPlusOne('fault_at 1 leak'), { isolate: { ...patient, maxMemory: 300 << 20 } });
    const [lost] = await eventsDuring(1, async () => {
      const runs = async (): Promise<void> => {
        for (;;) await model.run({ x });
      };
      expect((await rejection(runs())) as InferenceError).toMatchObject({
        code: /ERR_DEVICE_LOST|ERR_OUT_OF_MEMORY/ as unknown,
      });
    }).catch((error: unknown) => {
      throw error;
    });
    expect(lost![1].message).toMatch(/maxMemory/);
  });

  it('models and worker threads share one host for a device', async () => {
    const one = await load(echoPlusOne());
    const other = await load(echo('input x f32 1', 'output y = multiply x 3'));
    expect(other.host()!.pid).toBe(one.host()!.pid);
    const worker = new Worker(
      `const { parentPort, workerData } = require('node:worker_threads');
       const { loadModel } = require(workerData.dist);
       (async () => {
         const model = await loadModel(workerData.text, { device: 'echo:cpu', isolate: workerData.isolate });
         const { y } = await model.run({ x: Float32Array.of(20) });
         parentPort.postMessage({ pid: model.host().pid, y: y.data[0] });
       })();`,
      {
        eval: true,
        workerData: {
          dist: path.join(__dirname, '..', 'dist', 'index.js'),
          text: echoPlusOne(),
          isolate: patient,
        },
      },
    );
    const answer = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
    expect(answer).toEqual({ pid: one.host()!.pid, y: 21 });
    const apart = await load(echoPlusOne(), { isolate: { ...patient, retry: true } });
    expect(apart.host()!.pid).not.toBe(one.host()!.pid);
  });

  it('the host ends with its last model', async () => {
    const model = await loadModel(echoPlusOne(), {
      device: 'echo:cpu',
      isolate: { ...patient, hangTimeoutMs: 54_321 },
    });
    const { pid } = model.host()!;
    await model.dispose();
    await until(() => !exists(pid), 'the host to end');
    expect(model.host()).toBeNull();
  });

  it('a host killed from outside comes back with all its models', async () => {
    const isolate = { ...patient, hangTimeoutMs: 43_210 };
    const one = await load(echoPlusOne(), { isolate });
    const other = await load(echo('input x f32 1', 'output y = multiply x 3'), { isolate });
    const { pid } = one.host()!;
    await eventsDuring(2, () => Promise.resolve(void process.kill(pid, 'SIGKILL')));
    expect(numbers((await one.run({ x }))['y']!.data)).toEqual([2]);
    expect(numbers((await other.run({ x }))['y']!.data)).toEqual([3]);
    expect(other.host()!.pid).toBe(one.host()!.pid);
  });

  it('a model that cannot be loaded again: tries that grow ever rarer, until it can', async () => {
    const file = folder.write('again.echo', echoPlusOne());
    const model = await loadModel(file, { device: 'echo:cpu', isolate: { ...patient, hangTimeoutMs: 65_432 } });
    open.push(model);
    fs.writeFileSync(file, 'nonsense');
    process.kill(model.host()!.pid, 'SIGKILL');
    await until(() => model.host()!.restarts >= 3, 'the first tries');
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const error = (await rejection(model.run({ x }))) as InferenceError;
    expect(error).toMatchObject({ code: 'ERR_DEVICE_LOST', remedy: expect.stringContaining('Run again') as unknown });
    expect(error.message).toMatch(/is being restarted|could not be loaded again/);
    // At once, then after 100 ms, 200 ms and so on: in two seconds hardly more than five.
    expect(model.host()!.restarts).toBeLessThan(15);
    fs.writeFileSync(file, echoPlusOne());
    await until(() => model.host()!.up, 'the host to have its model again');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
  });

  it('a restarted device that hangs while it loads its model is ended, and tried again', async () => {
    const file = folder.write('hangs.echo', echoPlusOne());
    const isolate = { ...patient, hangTimeoutMs: 54_987, firstRunTimeoutMs: 1500 };
    const model = await loadModel(file, { device: 'echo:cpu', isolate });
    open.push(model);
    fs.writeFileSync(file, echoPlusOne('load_ms 600000'));
    const heard = await eventsDuring(2, () => Promise.resolve(void process.kill(model.host()!.pid, 'SIGKILL')));
    expect(heard[1]).toMatchObject(['lost', { message: expect.stringMatching(/did not load again within/) as string }]);
    fs.writeFileSync(file, echoPlusOne());
    await until(() => model.host()!.up, 'the host to have its model again');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
  });

  it('what a host writes to its stderr is a log line of its backend', async () => {
    const lines: LogEvent[] = [];
    const listener = (line: LogEvent): void => void lines.push(line);
    events.on('log', listener);
    const model = await load(echoPlusOne('fault_at 1 abort', once('words')));
    await rejection(model.run({ x }));
    await until(() => lines.length > 0, 'the line');
    events.off('log', listener);
    expect(lines).toEqual([{ level: 'warning', backend: 'echo', message: 'echo: fatal: aborting, as it was told to' }]);
  });

  it.each(['signal', 'deadlineMs'])('a load is ended by %s, and only that load', async (how) => {
    const other = await load(echoPlusOne());
    const { pid } = other.host()!;
    const text = echoPlusOne('load_ms 600000');
    if (how === 'signal') {
      const controller = new AbortController();
      const loading = load(text, { signal: controller.signal });
      setTimeout(() => controller.abort('enough'), 200);
      expect(await rejection(loading)).toBe('enough');
    } else {
      const error = await rejection(load(text, { deadlineMs: 200 }));
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT', remedy: expect.stringMatching(/was ended/) as unknown });
    }
    expect(numbers((await other.run({ x }))['y']!.data)).toEqual([2]);
    expect(other.host()).toMatchObject({ pid, restarts: 0 });
    await until(() => children().every((child) => child === pid), 'the host of the load to end');
  });

  it('a host that dies while it loads', async () => {
    const error = (await rejection(load(echoPlusOne('load_fault abort')))) as InferenceError;
    expect(error.code).toBe('ERR_DEVICE_LOST');
    expect(error.message).toMatch(/signal 6/);
  });

  it.each([
    ['isolate', { isolate: 'yes' as unknown as boolean }],
    ['isolate.retry', { isolate: { retry: 1 as unknown as boolean } }],
    ['isolate.hangTimeoutMs', { isolate: { hangTimeoutMs: 0 } }],
    ['isolate.maxMemory', { isolate: { maxMemory: 5 } }],
    ['trust', { trust: 'maybe' as 'probe' }],
  ])('a wrong `%s` is named', async (name, options) => {
    const error = (await rejection(load(echoPlusOne(), options as LoadOptions))) as InferenceError;
    expect(error.code).toBe('ERR_INVALID_ARGUMENT');
    expect(error.message).toContain(`\`${name}\``);
  });
});

describe('trust: probe', () => {
  it('a good model is loaded into this process', async () => {
    const stages: string[] = [];
    const model = await load(echoPlusOne(), {
      isolate: false,
      trust: 'probe',
      onProgress: ({ stage }) => stages.push(stage),
    });
    expect(model.info.isolated).toBe(false);
    expect(stages).toEqual(['locate', 'probe', 'load', 'ready']);
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
  });

  it('one with inputs of any shape, and several', async () => {
    const text = echo('input a i64 ?,2', 'input "b c" f16 -', 'output y = identity a');
    const model = await load(text, { isolate: false, trust: 'probe' });
    expect(model.inputs.length).toBe(2);
  });

  it.each([
    ['load_fault abort', /signal 6/],
    ['load_fault crash', /signal 11/],
    ['fault_at 1 abort', /signal 6/],
    ['fault_at 1 exit', /exit code 3/],
    ['end_fault abort', /signal 6/],
    ['end_fault exit', /exit code 3/],
  ])('%s: ERR_INVALID_MODEL', async (fault, words) => {
    const error = (await rejection(load(echoPlusOne(fault), { isolate: false, trust: 'probe' }))) as InferenceError;
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'echo' });
    expect(error.message).toMatch(words);
    expect((error.cause as InferenceError).code).toBe('ERR_DEVICE_LOST');
  });

  it('a run that never ends', async () => {
    const isolate = { hangTimeoutMs: 300, firstRunTimeoutMs: 300 };
    const error = await rejection(load(echoPlusOne('stuck_at 1'), { isolate, trust: 'probe' }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });

  it('a load that never ends is ended by the deadline', async () => {
    const error = await rejection(
      load(echoPlusOne('load_ms 600000'), { isolate: false, trust: 'probe', deadlineMs: 300 }),
    );
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
  });

  it('what is refused in words is refused in these words', async () => {
    const error = await rejection(load(echoPlusOne('refuse ERR_UNSUPPORTED'), { isolate: false, trust: 'probe' }));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', cause: undefined });
    const nonsense = await rejection(load(echo('nonsense'), { isolate: false, trust: 'probe' }));
    expect(nonsense).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });

  it('a run that fails in words for want of sensible inputs does no harm', async () => {
    const model = await load(echoPlusOne('fail_at 1 ERR_BACKEND'), { isolate: false, trust: 'probe' });
    expect(model.info.isolated).toBe(false);
  });
});

describe('the end of the application', () => {
  // Prints the host's pid, then goes as it is told.
  const program = (end: string, isolate = '{ hangTimeoutMs: 60000, firstRunTimeoutMs: 60000 }'): string => `
    const text = Buffer.from('echo 1\\ninput x f32 1\\noutput y = add x 1\\ndelay_ms 300\\n');
    const model = await edge.loadModel(text, { device: 'echo:cpu', isolate: ${isolate} });
    model.run({ x: Float32Array.of(1) }).catch(() => {});
    process.stdout.write(String(model.host().pid), () => setTimeout(() => { ${end} }, 50));
    setInterval(() => {}, 1000);`;

  it.each([
    ['SIGKILL', "process.kill(process.pid, 'SIGKILL')", null, 'SIGKILL'],
    ['abort', 'process.abort()', null, 'SIGABRT'],
    ['process.exit', 'process.exit(7)', 7, null],
    ['an exception that nobody catches', "throw new Error('thrown on purpose')", 7, null],
  ])('%s: the host ends too', async (_, end, code, signal) => {
    const ended = await runProgram(program(end), {});
    if (code === 7 && ended.stderr.includes('thrown on purpose')) expect(ended.code).toBe(1);
    else expect([ended.code, ended.signal]).toEqual([code, signal]);
    const pid = Number(ended.stdout);
    expect(pid).toBeGreaterThan(0);
    await until(() => !exists(pid), 'the host to end');
  });

  it('nothing is left in shared memory', async () => {
    const before = new Set(fs.readdirSync('/dev/shm'));
    const ended = await runProgram(program("process.kill(process.pid, 'SIGKILL')"));
    await until(() => !exists(Number(ended.stdout)), 'the host to end');
    // Other programs' come and go.
    await until(() => fs.readdirSync('/dev/shm').every((name) => before.has(name)), 'the shared memory to go');
  });

  it('a program with an isolated model ends by itself once it is done', async () => {
    const ended = await runProgram(`
      const model = await edge.loadModel(Buffer.from('echo 1\\ninput x f32 1\\noutput y = add x 1\\n'), { device: 'echo:cpu', isolate: true });
      await model.run({ x: Float32Array.of(1) });`);
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
  });
});

describe('openvino', () => {
  // Thousands of operators in a row compile for minutes, and OpenVINO has no way to stop that.
  it('a compile is ended by the deadline', async () => {
    const ir = new Ir();
    let last = ir.parameter('x', 'f32', [1, 64]);
    const half = ir.constant('f32', [64], new Float32Array(64).fill(0.5));
    for (let i = 0; i < 8000; i++) last = ir.binary(i % 2 === 0 ? 'Add' : 'Multiply', last, i % 3 === 0 ? last : half);
    ir.result(last);
    const { xml, bin } = ir.build();
    const error = await rejection(
      loadModel(xml, { weights: bin, device: 'openvino:cpu', isolate: patient, deadlineMs: 1000 }),
    );
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
    await until(() => children().length === 0, 'the host of the load to end');
  });

  it('computes, is killed, and computes the same again', async () => {
    const { xml, bin } = slowIr(30, 1024);
    const model = await loadModel(xml, { weights: bin, device: 'openvino:cpu', isolate: patient });
    open.push(model);
    expect(model.info).toMatchObject({ isolated: true, backend: 'openvino' });
    const { y } = await model.run({ x: Float32Array.of(1) });
    expect(y!.data.length).toBe(1);
    process.kill(model.host()!.pid, 'SIGSEGV');
    await until(() => model.host()!.restarts === 1 && model.host()!.up, 'the host to be back');
    const again = await model.run({ x: Float32Array.of(1) });
    expect(numbers(again['y']!.data)).toEqual(numbers(y!.data));
  });
});
