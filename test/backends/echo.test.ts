/** The echo backend: the conformance suite, and what echo alone can do: fail, hang, refuse and delay when told to. */
import { InferenceError, type InferenceRequest } from '../../lib/index.js';
import { native } from '../../lib/native.js';
import { runProgram } from '../support/child.js';
import { echo, echoPlusOne, loadEcho } from '../support/echo.js';
import { numbers } from '../support/values.js';
import { rejection, thrown, until } from '../support/wait.js';
import { conformance } from './conformance.js';
import { echoBackend } from './echo-models.js';

describe('echo', () => {
  conformance(echoBackend);

  const x = Float32Array.of(1);
  const codes = ['ERR_BACKEND', 'ERR_DEVICE_LOST', 'ERR_OUT_OF_MEMORY', 'ERR_UNSUPPORTED', 'ERR_PERMISSION'];

  describe('failures on demand', () => {
    it.each(codes)('a run fails with %s, and the next one does not', async (code) => {
      const model = await loadEcho(echoPlusOne(`fail_at 2 ${code}`));
      await model.run({ x });
      const error = await rejection(model.run({ x }));
      expect(error).toBeInstanceOf(InferenceError);
      expect(error).toMatchObject({
        code,
        backend: 'echo',
        message: 'The echo model fails at run 2, as it was told to.',
        remedy: 'Run it again.',
        cause: 'echo says no',
      });
      expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
      expect(model.statistics()).toMatchObject({ submitted: 3, completed: 2, failed: 1, running: 0 });
      await model.dispose();
    });

    it.each([
      ['lane', (request: InferenceRequest) => rejection(request.run())],
      ['async', (request: InferenceRequest) => rejection(request.run())],
      ['inline', (request: InferenceRequest) => rejection(request.run())],
      ['lane', async (request: InferenceRequest) => thrown(() => request.runSync())],
    ] as const)('a request’s run fails: %s', async (dispatch, fail) => {
      const model = await loadEcho(echoPlusOne('fail_at 1 ERR_DEVICE_LOST'), { advanced: { dispatch } });
      const request = model.createRequest();
      const error = await fail(request);
      expect(error).toBeInstanceOf(InferenceError);
      expect(error).toMatchObject({ code: 'ERR_DEVICE_LOST', backend: 'echo', cause: 'echo says no' });
      expect((error as Error).stack).toContain('InferenceError');
      await until(() => !request.busy, 'the request to be free');
      (request.inputs['x']!.data as Float32Array).set([4]);
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual([5]);
      expect(model.statistics()).toMatchObject({ submitted: 2, completed: 1, failed: 1 });
      await model.dispose();
    });

    it.each(codes)('a load is refused with %s', async (code) => {
      const { models } = native().process();
      expect(await rejection(loadEcho(echoPlusOne(`refuse ${code}`)))).toMatchObject({
        code,
        backend: 'echo',
        message: 'The echo model refuses to load, as it was told to.',
        remedy: 'Load another.',
      });
      // Earlier tests' come late and go.
      await until(() => native().process().models <= models, 'no more models than before');
    });

    it.each([
      ['no echo model', new TextEncoder().encode('something else')],
      ['an unknown statement', echo('imput x f32 1')],
      ['an unknown dtype', echo('input x f33 1')],
      ['an unknown operation', echo('input x f32 1', 'output y = divide x 2')],
      ['an output of an input that is not there', echo('output y = identity x')],
    ])('a text that is none: %s', async (_, text) => {
      const error = await rejection(loadEcho(text));
      expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'echo' });
      expect((error as InferenceError).remedy).not.toBe('');
    });
  });

  it('an expired run is none: the device has never heard of it', async () => {
    const model = await loadEcho(echoPlusOne('delay_ms 100', 'fail_at 2 ERR_BACKEND'), { inFlight: 1 });
    const first = model.run({ x });
    const expired = await rejection(model.run({ x }, { deadlineMs: 1 }));
    expect(expired).toMatchObject({ code: 'ERR_TIMEOUT' });
    await first;
    // The third call is the device's second run.
    expect(await rejection(model.run({ x }))).toMatchObject({ code: 'ERR_BACKEND' });
    await model.dispose();
  });

  it('a hanging run is over when it is cancelled', async () => {
    const model = await loadEcho(echoPlusOne('hang_at 1'));
    const request = model.createRequest();
    // Until it has begun: a deadline may pass before that on a busy machine.
    for (let deadlineMs = 50, hung = false; !hung && deadlineMs < 10_000; deadlineMs *= 2) {
      const error = await rejection(request.run({ deadlineMs }));
      expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
      hung = (error as Error).message === 'The deadline passed while the run was in progress.';
      await until(() => !request.busy, 'the device to let go');
    }
    await request.run();
    await model.dispose();
  });

  it('what the device had to copy is counted', async () => {
    const model = await loadEcho(echoPlusOne('copy'));
    const request = model.createRequest();
    await request.run();
    request.runSync();
    expect(model.statistics().bytesCopied).toBe(8);
    await model.dispose();
  });

  it('settings come as properties too, and win', async () => {
    const model = await loadEcho(echoPlusOne('optimal 2'), { properties: { optimal: 3, fail_at: '1 ERR_BACKEND' } });
    expect(model.info.inFlight).toBe(3);
    expect(await rejection(model.run({ x }))).toMatchObject({ code: 'ERR_BACKEND' });
    await model.dispose();
  });

  it('two outputs of the same name are both there, or the model is refused', async () => {
    const text = echo('input x f32 1', 'output y = add x 1', 'output y = add x 2');
    const loaded = await loadEcho(text).catch((error: unknown) => error);
    if (loaded instanceof Error) {
      expect(loaded).toMatchObject({ code: 'ERR_INVALID_MODEL' });
      return;
    }
    const model = loaded as Awaited<ReturnType<typeof loadEcho>>;
    const outputs = await model.run({ x });
    await model.dispose();
    expect(Object.values(outputs).map(({ data }) => numbers(data))).toEqual([[2], [3]]);
  });

  it('a run that never ends: dispose({ timeoutMs }) lets go of it, and so does the process', async () => {
    const { code, signal, stdout, stderr } = await runProgram(`
      const text = new TextEncoder().encode('echo 1\\ninput x f32 1\\noutput y = identity x\\nstuck_at 1\\n');
      const model = await edge.loadModel(text, { device: 'echo' });
      const run = model.run({ x: new Float32Array(1) }).catch((error) => error.code);
      while (model.statistics().running === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      await model.dispose({ timeoutMs: 20 });
      console.log(await run, model.statistics().running);
    `);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(stdout).toBe('ERR_DISPOSED 1\n');
  });
});
