/** OpenVINO behind `failover`: its host process is killed under runs, another device takes over, and the first returns. */
import { events } from '../../../lib/index.js';
import type { FailoverEvent } from '../../../lib/types.js';
import { numbers } from '../../support/values.js';
import { until } from '../../support/wait.js';
import { closeAll, loadIr, product, productIr, scattered } from './models.js';

const isolate = { firstRunTimeoutMs: 120_000, hangTimeoutMs: 120_000 };
const failover = { probeMs: 10, healthyMs: 20 };
const x = scattered(64, 7);
const exact = product(x);

function expectProduct(y: ArrayLike<number>): void {
  expect(y).toHaveLength(64);
  expect(Math.max(...exact.map((value, i) => Math.abs(y[i]! - value)))).toBeLessThan(1e-5);
}

afterEach(closeAll);

it('every run is answered, in the same buffers, while the better device is killed and comes back', async () => {
  const moves: string[] = [];
  const note = ({ from, device }: FailoverEvent): void => void moves.push(`${from} > ${device}`);
  events.on('failover', note);
  const device = ['openvino:cpu', 'openvino:hetero:cpu'];
  const model = await loadIr(productIr(), { device, isolate, failover });
  expect(model.info).toMatchObject({ members: [['openvino:cpu'], ['openvino:hetero:cpu']], rejected: [] });
  const request = model.createRequest();
  const y = request.outputs['y']!.data as Float32Array;
  (request.inputs['x']!.data as Float32Array).set(x);
  const run = async (): Promise<void> => {
    y.fill(0);
    await request.run();
    expect(request.outputs['y']!.data).toBe(y);
    expectProduct(y);
  };
  for (let i = 0; i < 20; i++) await run();
  expect(model.devices()).toMatchObject([{ runs: 20 }, { runs: 0 }]);

  process.kill(model.host()!.pid, 'SIGKILL');
  for (let i = 0; i < 200; i++) await run();
  const copies = await Promise.all(Array.from({ length: 20 }, () => model.run({ x })));
  for (const outputs of copies) expectProduct(numbers(outputs['y']!.data));
  await until(() => model.devices()[0]!.state === 'healthy', 'the killed device to return');
  const { runs } = model.devices()[0]!;
  await run();
  await until(() => moves.length >= 2, 'the events');
  events.off('failover', note);

  expect(model.devices()).toMatchObject([
    { state: 'healthy', runs: runs + 1, losses: 1, lastError: expect.stringMatching(/SIGKILL|killed/i) },
    { state: 'healthy', failures: 0, losses: 0, lastError: null },
  ]);
  expect(moves).toEqual(['openvino:cpu > openvino:hetero:cpu', 'openvino:hetero:cpu > openvino:cpu']);
  expect(model.statistics()).toMatchObject({ failed: 0, completed: 241 });
});

it('a pool of two devices shares the runs', async () => {
  const model = await loadIr(productIr(), { device: [['openvino:cpu', 'openvino:auto:cpu'], 'openvino:hetero:cpu'] });
  expect(model.info.members).toEqual([['openvino:cpu', 'openvino:auto:cpu']]); // the rest of the list is not needed
  const all = await Promise.all(Array.from({ length: 20 }, () => model.run({ x })));
  for (const outputs of all) expectProduct(numbers(outputs['y']!.data));
  const runs = model.devices().map((one) => one.runs);
  expect(runs[0]! + runs[1]!).toBe(20);
  expect(Math.min(...runs)).toBeGreaterThan(0);
});
