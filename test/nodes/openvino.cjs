// Run by scripts/nodes-test.mjs on every supported Node: a real inference on OpenVINO's CPU device.
'use strict';
const assert = require('assert');
const { loadModel } = require('edge-infer');

(async () => {
  const model = await loadModel(process.argv[2], { device: 'openvino:cpu' });
  const { y } = await model.run({ x: Float32Array.of(-1, 2, -3, 4) });
  assert.deepStrictEqual([...y.data], [0, 2, 0, 4]);
  const request = model.createRequest();
  request.inputs.x.data.set([5, -6, 7, -8]);
  request.runSync();
  assert.deepStrictEqual([...request.outputs.y.data], [5, 0, 7, 0]);
  request.dispose();
  await model.dispose();
})();
