/** OpenVINO: models with variables of their own, which live from run to run in a request. */
import type { InferenceRequest } from '../../../lib/index.js';
import { Ir, type IrModel } from '../../support/ir.js';
import { f32Of } from '../conformance/harness.js';
import { rejection, thrown, until } from '../../support/wait.js';
import { closeAll, loadIr } from './models.js';

afterEach(closeAll);

/** y = the sum of all x so far, plus 10. */
function sumIr(): IrModel {
  const ir = new Ir();
  const x = ir.parameter('x', 'f32', [1]);
  const variable = { variable_id: 'sum', variable_type: 'f32', variable_shape: '1' };
  const start = ir.constant('f32', [1], Float32Array.of(10));
  const before = ir.op('ReadValue', 'opset6', variable, [start], { type: 'f32', shape: [1] });
  const sum = ir.binary('Add', before, x, 'y');
  ir.op('Assign', 'opset6', variable, [sum], { type: 'f32', shape: [1] });
  ir.result(sum);
  return ir.build();
}

async function runs(request: InferenceRequest, x: number): Promise<number | undefined> {
  f32Of(request.inputs, 'x').set([x]);
  await request.run();
  return f32Of(request.outputs, 'y')[0];
}

describe('variables', () => {
  it.each(['lane', 'async', 'inline'] as const)(
    'keep their values from run to run, until they are reset: %s',
    async (dispatch) => {
      const request = (await loadIr(sumIr(), { advanced: { dispatch } })).createRequest();
      const views = [f32Of(request.inputs, 'x'), f32Of(request.outputs, 'y')];
      for (let sequence = 0; sequence < 3; sequence++) {
        expect([await runs(request, 1), await runs(request, 2), await runs(request, 3)]).toEqual([11, 13, 16]);
        request.resetState();
      }
      // The same memory as before.
      expect([f32Of(request.inputs, 'x'), f32Of(request.outputs, 'y')]).toEqual(views);
      views[0]!.set([5]);
      request.runSync();
      expect(views[1]![0]).toBe(15);
    },
  );

  it('belong to their request', async () => {
    const model = await loadIr(sumIr());
    const [a, b] = [model.createRequest(), model.createRequest()];
    expect([await runs(a, 1), await runs(b, 2), await runs(a, 1), await runs(b, 2)]).toEqual([11, 12, 12, 14]);
    a.resetState();
    expect([await runs(a, 1), await runs(b, 2)]).toEqual([11, 16]);
  });

  it('are not reset under a run', async () => {
    const model = await loadIr(sumIr());
    const request = model.createRequest();
    const run = request.run({ deadlineMs: 60_000 });
    const error = request.busy ? thrown(() => request.resetState()) : { code: 'ERR_BUSY' };
    expect(error).toMatchObject({ code: 'ERR_BUSY' });
    await run;
    await until(() => !request.busy, 'the request to be free');
    request.resetState();
    expect(await runs(request, 1)).toBe(11);
  });

  it('cannot be reset after disposal', async () => {
    const request = (await loadIr(sumIr())).createRequest();
    request.dispose();
    expect(thrown(() => request.resetState())).toMatchObject({ code: 'ERR_DISPOSED' });
    expect(await rejection(request.run())).toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('where there are none a reset changes nothing', async () => {
    const ir = new Ir();
    const x = ir.parameter('x', 'f32', [-1]);
    ir.result(ir.binary('Add', x, x, 'y'));
    const request = (await loadIr(ir.build())).createRequest({ shapes: { x: [2] } });
    request.resetState();
    f32Of(request.inputs, 'x').set([1, 2]);
    await request.run();
    expect([...f32Of(request.outputs, 'y')]).toEqual([2, 4]);
  });
});
