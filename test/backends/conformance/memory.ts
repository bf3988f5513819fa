/** Conformance: views that are transferred away, and everything in flight that nobody holds any more. */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { InferenceRequest, Model } from '../../../lib/index.js';
import { native } from '../../../lib/native.js';
import type { TensorData } from '../../../lib/types.js';
import { numbers } from '../../support/values.js';
import { collect, detach, rejection, thrown, turns, until } from '../../support/wait.js';
import { codeOf, dataOf, f32Of, isRunning, Loader, type ConformanceBackend } from './harness.js';

/** Takes a buffer away; resolves with the values where they went, or null where they are lost. */
type Move = (buffer: ArrayBuffer) => Promise<Float32Array | null>;

/**
 * Every way in which JavaScript can take a buffer away. Node copies memory of native code when it is transferred (18 and
 * 20) or refuses (22 and later); `transfer` and V8 itself do detach it.
 */
const moves: [string, Move][] = [
  ['structuredClone', async (buffer) => new Float32Array(structuredClone(buffer, { transfer: [buffer] }))],
  [
    'a MessageChannel',
    async (buffer) => {
      const { port1, port2 } = new MessageChannel();
      const arrived = new Promise<ArrayBuffer>((resolve) => port2.once('message', resolve));
      try {
        port1.postMessage(buffer, [buffer]);
        return new Float32Array(await arrived);
      } finally {
        port1.close();
      }
    },
  ],
  [
    'a worker',
    async (buffer) => {
      const worker = new Worker(
        `const { parentPort } = require('worker_threads');
         parentPort.once('message', (buffer) => parentPort.postMessage(Array.from(new Float32Array(buffer))));`,
        { eval: true },
      );
      const answer = new Promise<number[]>((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
      });
      try {
        worker.postMessage(buffer, [buffer]);
        return Float32Array.from(await answer);
      } finally {
        await worker.terminate();
      }
    },
  ],
  [
    'V8',
    async (buffer) => {
      detach(buffer);
      return null;
    },
  ],
];
const { transfer } = ArrayBuffer.prototype as { transfer?: (this: ArrayBuffer) => ArrayBuffer };
if (transfer !== undefined) {
  moves.push(['ArrayBuffer.prototype.transfer', async (buffer) => new Float32Array(transfer.call(buffer))]);
}

/** As `move`, but null where Node refuses. */
async function tryMove(move: Move, data: TensorData): Promise<Float32Array | null> {
  try {
    return await move(data.buffer as ArrayBuffer);
  } catch (error) {
    expect(error).toMatchObject({ name: 'DataCloneError' });
    return null;
  }
}

export function memory(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);

  describe.each(moves)('a view taken away by %s', (_, move) => {
    it.each([
      ['an input', 'x', (request: InferenceRequest) => request.inputs],
      ['an output', 'y', (request: InferenceRequest) => request.outputs],
    ] as const)('%s: the request says so, and the values live on', async (_what, name, side) => {
      const model = await loader.load(models.add(1, [4]));
      const request = model.createRequest();
      f32Of(request.inputs, 'x').set([1, 2, 3, 4]);
      await request.run();
      const moved = await tryMove(move, dataOf(side(request), name));
      if (dataOf(side(request), name).length === 0) {
        for (const error of [await rejection(request.run()), thrown(() => request.runSync())]) {
          expect(error).toMatchObject({
            code: 'ERR_INVALID_TENSOR',
            message: `The memory of '${name}' was transferred away from this request.`,
          });
          expect((error as { remedy: string }).remedy).not.toBe('');
        }
        expect(request.busy).toBe(false);
      } else {
        await request.run(); // Node copied, or refused
        expect(numbers(dataOf(request.outputs, 'y'))).toEqual([2, 3, 4, 5]);
      }
      request.dispose();
      await model.dispose();
      collect();
      await turns(3);
      // The memory goes with its last holder, not with the request.
      if (moved !== null) expect(numbers(moved)).toEqual(name === 'x' ? [1, 2, 3, 4] : [2, 3, 4, 5]);
    });

    it('during a run: the run ends well', async () => {
      const model = await loader.load(models.slow());
      const request = model.createRequest();
      f32Of(request.inputs, 'x').set([1]);
      const run = request.run();
      await isRunning(model);
      const input = await tryMove(move, dataOf(request.inputs, 'x'));
      await tryMove(move, dataOf(request.outputs, 'y'));
      await run;
      if (input !== null) expect(numbers(input)).toEqual([1]);
      if (dataOf(request.outputs, 'y').length === 0) {
        expect(codeOf(await rejection(request.run()))).toBe('ERR_INVALID_TENSOR');
      } else {
        expect(Math.round(numbers(dataOf(request.outputs, 'y'))[0]!)).toBe(2);
      }
      request.dispose();
    });

    it('from an input of run(): the values were copied, or the error tells', async () => {
      const model = await loader.load(models.add(1, [4]));
      const x = Float32Array.of(1, 2, 3, 4);
      const run = model.run({ x });
      await move(x.buffer);
      expect(numbers((await run)['y']!.data)).toEqual([2, 3, 4, 5]);
      await expect(model.run({ x })).rejects.toMatchObject({
        code: 'ERR_INVALID_TENSOR',
        message: "Expected the input 'x' of the shape [4] to have 4 values, got 0.",
        remedy: 'An array that was transferred to another thread is empty.',
      });
    });
  });

  it('views of many disposed requests stay detached while new ones take their place', async () => {
    const model = await loader.load(models.add(1, [64]));
    const views: Float32Array[] = [];
    for (let i = 0; i < 200; i++) {
      const request = model.createRequest();
      const view = f32Of(request.inputs, 'x');
      view.fill(i);
      if (i % 3 === 0) request.runSync();
      views.push(view, f32Of(request.outputs, 'y'));
      request.dispose();
      if (i % 50 === 0) collect();
    }
    expect(views.every((view) => view.length === 0)).toBe(true);
  });

  describe('garbage collection', () => {
    /** Everything that was made meanwhile is gone again. */
    async function allGone(before: ReturnType<ReturnType<typeof native>['process']>): Promise<void> {
      await until(() => {
        collect();
        const now = native().process();
        return now.models <= before.models && now.requests <= before.requests && now.lanes <= before.lanes;
      }, 'what nobody holds to be collected');
    }

    it('of a model with runs in flight that nobody waits for', async () => {
      const before = native().process();
      const start = async (): Promise<void> => {
        const model = await loader.loadUntracked(models.slow(), { inFlight: 2 });
        const requests = [1, 2, 3].map(() => model.createRequest());
        for (const request of requests) void request.run().catch(() => undefined);
        for (let i = 0; i < 3; i++) void model.run({ x: Float32Array.of(i) }).catch(() => undefined);
      };
      await start();
      await allGone(before);
    });

    it('of a run whose promise alone is held: it still settles', async () => {
      const before = native().process();
      const start = async (): Promise<Promise<unknown>[]> => {
        const model = await loader.loadUntracked(models.slow());
        return [model.run({ x: Float32Array.of(1) })];
      };
      const [run] = await start();
      for (let i = 0; i < 5; i++) {
        collect();
        await turns();
      }
      expect(await run).toMatchObject({ y: { shape: [1] } });
      await allGone(before);
    });

    it('of a model whose request alone is held: the request goes on working', async () => {
      const make = async (): Promise<InferenceRequest> =>
        (await loader.loadUntracked(models.add(1, [1]))).createRequest();
      const request = await make();
      for (let i = 0; i < 10; i++) {
        collect();
        await turns(2);
        f32Of(request.inputs, 'x').set([i]);
        await request.run();
        expect(numbers(dataOf(request.outputs, 'y'))).toEqual([i + 1]);
      }
      request.dispose();
    });

    it('of a request whose view alone is held: the view stays', async () => {
      const model = await loader.load(models.add(1, [256]));
      const make = (): Float32Array => {
        const request = model.createRequest();
        f32Of(request.inputs, 'x').fill(7);
        request.runSync();
        return f32Of(request.outputs, 'y');
      };
      const view = make();
      for (let i = 0; i < 5; i++) {
        collect();
        await turns(2);
      }
      const others = Array.from({ length: 20 }, () => model.createRequest());
      others.forEach((other) => f32Of(other.inputs, 'x').fill(-1));
      expect(numbers(view)).toEqual(Array(256).fill(8));
    });

    it('of streams that nobody reads on', async () => {
      const before = native().process();
      const start = async (): Promise<void> => {
        const model: Model = await loader.loadUntracked(models.slow(), { inFlight: 2 });
        const stream = model.stream(Array.from({ length: 10 }, (_, i) => ({ x: Float32Array.of(i) })));
        await stream.next();
      };
      await start();
      await allGone(before);
    });

    it('of aborted runs', async () => {
      const before = native().process();
      const start = async (): Promise<void> => {
        const model = await loader.loadUntracked(models.slow(), { inFlight: 1 });
        const controller = new AbortController();
        const { signal } = controller;
        const runs = [model.createRequest().run({ signal }), model.run({ x: Float32Array.of(1) }, { signal })];
        const ends = runs.map(rejection);
        controller.abort('stop');
        expect(await Promise.all(ends)).toEqual(['stop', 'stop']);
      };
      await start();
      await allGone(before);
    });
  });
}
