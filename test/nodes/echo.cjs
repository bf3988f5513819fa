// Run by scripts/nodes-test.mjs on every supported Node, inside an installed package: the API on the echo backend.
'use strict';
const assert = require('assert');
const { listBackends, loadModel } = require('edge-infer');

(async () => {
  const bytes = new TextEncoder().encode('echo 1\ninput x f32 1,3\noutput y = multiply x 2\ndelay_ms 5\n');
  const model = await loadModel(bytes, { device: 'echo', format: 'echo', inFlight: 4 });
  const runs = [1, 2, 3, 4, 5, 6, 7, 8].map((i) => model.run({ x: Float32Array.of(i, i, i) }));
  const results = await Promise.all(runs);
  assert.deepStrictEqual(
    results.map(({ y }) => y.data[2]),
    [2, 4, 6, 8, 10, 12, 14, 16],
  );

  const request = model.createRequest();
  const view = request.inputs.x.data;
  view.set([1, 2, 3]);
  await request.run();
  assert.deepStrictEqual([...request.outputs.y.data], [2, 4, 6]);
  request.dispose();
  assert.strictEqual(view.length, 0);

  const controller = new AbortController();
  const aborted = model.run({ x: Float32Array.of(1, 2, 3) }, { signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(aborted, /enough/);
  await model.dispose();
  await assert.rejects(model.run({ x: Float32Array.of(1, 2, 3) }), { code: 'ERR_DISPOSED' });
  assert.ok((await listBackends()).length > 0);
})();
