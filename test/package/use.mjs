// Run inside an installed package: named imports from an ES module, and one run of the echo backend.
import assert from 'node:assert/strict';
import { InferenceError, listBackends, loadModel } from 'edge-infer';

const text = 'echo 1\ninput x f32 1,3\noutput y = multiply x 2\n';
const model = await loadModel(new TextEncoder().encode(text), { device: 'echo', format: 'echo' });
const { y } = await model.run({ x: Float32Array.of(1, 2, 3) });
assert.deepEqual([...y.data], [2, 4, 6]);
assert.deepEqual([...y.shape], [1, 3]);
await model.dispose();

const backends = await listBackends();
assert.ok(backends.some((backend) => backend.name === 'openvino'));
await assert.rejects(loadModel('/no/such/model.onnx', { device: 'echo' }), InferenceError);
