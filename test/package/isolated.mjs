// Run inside an installed package: a model in a host process, and one that kills its host.
import assert from 'node:assert/strict';
import { loadModel } from 'edge-infer';

const text = (more) => new TextEncoder().encode(`echo 1\ninput x f32 1,3\noutput y = multiply x 2\n${more}`);
const model = await loadModel(text(''), { device: 'echo', isolate: true });
const { y } = await model.run({ x: Float32Array.of(1, 2, 3) });
assert.deepEqual([...y.data], [2, 4, 6]);
assert.notEqual(model.host().pid, process.pid);
await model.dispose();
await assert.rejects(loadModel(text('load_fault abort\n'), { device: 'echo', trust: 'probe' }), {
  code: 'ERR_INVALID_MODEL',
});
