// Run inside an installed package: required from CommonJS, and a request whose buffers are used in place.
'use strict';
const assert = require('assert');
const { loadModel } = require('edge-infer');

(async () => {
  const text = 'echo 1\ninput x f32 4\noutput y = add x 1\n';
  const model = await loadModel(new TextEncoder().encode(text), { device: 'echo', format: 'echo' });
  const request = model.createRequest();
  request.inputs.x.data.set([1, 2, 3, 4]);
  await request.run();
  assert.deepStrictEqual([...request.outputs.y.data], [2, 3, 4, 5]);
  request.inputs.x.data[0] = 10;
  request.runSync();
  assert.strictEqual(request.outputs.y.data[0], 11);
  assert.strictEqual(model.statistics().bytesCopied, 0);
  request.dispose();
  await model.dispose();
})();
