/** A process at its limits: no room for another thread is an error with a remedy, at whatever step, and never the end. */
import { runProgram } from './support/child.js';
import { addIr } from './support/ir.js';

/** `limit(bytes)` allows the process that many more bytes of address space; `free()` takes the limit away. */
const helpers = `
  const fs = require('node:fs');
  const { execFileSync } = require('node:child_process');
  const used = () => Number(/VmSize:\\s+(\\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024;
  // Without pipes: Node takes 64 kB for what a pipe may bring, and ends where there is none.
  const prlimit = (soft) =>
    execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + soft + ':unlimited'], { stdio: 'ignore' });
  await edge.loadModel('', { device: 'none' }).catch(() => undefined); // the addon is there now
  const limit = (bytes) => prlimit(used() + bytes);
  const free = () => prlimit('unlimited');
  const typed = (error) => {
    if (error.name !== 'InferenceError' || !error.remedy) throw error;
    return error.code;
  };
  const attempt = (work) => Promise.resolve().then(work).then(() => 'done', typed);
  const x = Float32Array.of(1);`;

// A thread's stack takes 8 MB: none fits.
const noThread = 4 << 20;

it('no thread for the load, then room again', async () => {
  const { code, signal, stdout, stderr } = await runProgram(`${helpers}
    const text = new TextEncoder().encode('echo 1\\ninput x f32 1\\noutput y = add x 1\\n');
    limit(${noThread});
    const refused = await attempt(() => edge.loadModel(text, { device: 'echo' }));
    free();
    const model = await edge.loadModel(text, { device: 'echo' });
    console.log(refused, (await model.run({ x })).y.data[0]);
  `);
  expect({ code, signal, stdout, stderr }).toEqual({
    code: 0,
    signal: null,
    stdout: 'ERR_OUT_OF_MEMORY 2\n',
    stderr: '',
  });
});

// The room decides which step is the first to fail: the load, measuring a wake-up, a lane, the timer, the reaper.
const rooms = [4, 9, 12, 15, 18, 21, 24, 27, 30, 36, 45, 60, 80];

it.each(['{}', "{ advanced: { dispatch: 'async' } }", '{ isolate: true }'])(
  'at any step: echo, %s',
  async (options) => {
    const ends = new Set<string>();
    for (const megabytes of rooms) {
      const { code, signal, stdout, stderr } = await runProgram(`${helpers}
      const text = new TextEncoder().encode('echo 1\\ninput x f32 1\\noutput y = add x 1\\ndelay_ms 1\\n');
      const ends = [];
      limit(${megabytes} << 20);
      const load = () => edge.loadModel(text, { device: 'echo', inFlight: 2, ...${options} });
      let model = null;
      ends.push(await attempt(async () => void (model = await load())));
      if (model) {
        let request = null;
        ends.push(await attempt(() => void (request = model.createRequest())));
        const runs = [() => model.run({ x }), () => model.run({ x }, { deadlineMs: 60_000 })];
        if (request) runs.push(() => request.run({ deadlineMs: 60_000 }));
        ends.push(...(await Promise.all(runs.map(attempt))));
        if (request) ends.push(await attempt(() => request.runSync()));
      }
      free();
      model ??= await load();
      if ((await model.run({ x })).y.data[0] !== 2) throw new Error('a wrong result');
      await model.dispose();
      console.log(ends.join());
    `);
      expect({ megabytes, code, signal, stderr }).toEqual({ megabytes, code: 0, signal: null, stderr: '' });
      for (const end of stdout.trim().split(',')) ends.add(end);
    }
    // A host process that has no thread for a conversation closes it.
    const allowed = options.includes('isolate') ? ['ERR_DEVICE_LOST', 'ERR_UNAVAILABLE'] : [];
    expect([...ends].filter((end) => !allowed.includes(end)).sort()).toEqual(['ERR_OUT_OF_MEMORY', 'done']);
  },
);

it('OpenVINO that is open already', async () => {
  const { xml, bin } = addIr(1, [1]);
  const { code, signal, stdout } = await runProgram(`${helpers}
    const model = Buffer.from('${Buffer.from(xml).toString('base64')}', 'base64');
    const options = { device: 'openvino:cpu', weights: Uint8Array.from(${JSON.stringify([...bin])}) };
    const first = await edge.loadModel(Uint8Array.from(model), options);
    limit(${noThread});
    const runs = await Promise.all([attempt(() => first.run({ x })), attempt(() => first.run({ x }, { deadlineMs: 60_000 }))]);
    free();
    console.log(runs.every((end) => ['done', 'ERR_OUT_OF_MEMORY'].includes(end)), (await first.run({ x })).y.data[0]);
  `);
  expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'true 2\n' });
});
