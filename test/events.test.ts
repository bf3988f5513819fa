/** Events: log lines reach listeners with level and backend, and neither too few nor failing listeners do any harm. */
import { events } from '../lib/index.js';
import type { LogEvent } from '../lib/types.js';
import { closeAll, loadIr } from './backends/openvino/models.js';
import { runProgram } from './support/child.js';
import { addIr } from './support/ir.js';
import { numbers } from './support/values.js';
import { turns, until } from './support/wait.js';

const expected = { level: 'warning', backend: 'openvino', message: 'CPU executes f32 where bf16 was asked for.' };

/** A load that the backend has something to say about: the SDK's own property wins over the precision asked for. */
async function loadWithWarning(): Promise<void> {
  const model = await loadIr(addIr(1, [1]), {
    precision: 'bf16',
    properties: { INFERENCE_PRECISION_HINT: 'f32' },
  });
  expect(model.info.precision).toEqual({ requested: 'bf16', actual: 'f32' });
  expect(numbers((await model.run({ x: Float32Array.of(1) }))['y']!.data)).toEqual([2]);
}

afterEach(closeAll);

it('a log line comes once, with level, backend and text', async () => {
  const lines: LogEvent[] = [];
  const listener = (event: LogEvent): void => void lines.push(event);
  events.on('log', listener);
  await loadWithWarning();
  await until(() => lines.length > 0, 'the line');
  await turns(5);
  events.off('log', listener);
  expect(lines).toEqual([expected]);
  await loadWithWarning();
  await turns(5);
  expect(lines).toHaveLength(1); // heard by nobody
});

it('`once` hears one line', async () => {
  const lines: LogEvent[] = [];
  events.once('log', (event) => void lines.push(event));
  await loadWithWarning();
  await loadWithWarning();
  await until(() => lines.length > 0, 'the line');
  await turns(5);
  expect(lines).toEqual([expected]);
});

it('a listener that throws is an uncaught exception of the program, and nobody’s answer is lost', async () => {
  const { code, stdout, stderr } = await runProgram(`
    let uncaught = 0;
    process.on('uncaughtException', (error) => error.message === 'meant' && uncaught++);
    edge.events.on('log', () => { throw new Error('meant'); });
    const xml = Buffer.from(${JSON.stringify(Buffer.from(addIr(1, [1]).xml).toString('base64'))}, 'base64');
    const weights = new Uint8Array(Float32Array.of(1).buffer);
    const options = { device: 'openvino:cpu', weights, precision: 'bf16', properties: { INFERENCE_PRECISION_HINT: 'f32' } };
    const models = await Promise.all([1, 2, 3].map(() => edge.loadModel(Uint8Array.from(xml), options)));
    const results = await Promise.all(models.map((model) => model.run({ x: Float32Array.of(1) })));
    await Promise.all(models.map((model) => model.dispose()));
    await new Promise((resolve) => setTimeout(resolve, 20));
    console.log(results.map(({ y }) => y.data[0]).join(), uncaught);
  `);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe('2,2,2 3\n');
});

it('nothing is written to stdout or stderr when nobody listens', async () => {
  const { code, stdout, stderr } = await runProgram(`
    const xml = Buffer.from(${JSON.stringify(Buffer.from(addIr(1, [1]).xml).toString('base64'))}, 'base64');
    const weights = new Uint8Array(Float32Array.of(1).buffer);
    const options = { device: 'openvino:cpu', weights, precision: 'bf16', properties: { INFERENCE_PRECISION_HINT: 'f32' } };
    await (await edge.loadModel(Uint8Array.from(xml), options)).dispose();
  `);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
});
