// Run inside an installed package whose binaries were moved away: importing works, loading says why it cannot.
import assert from 'node:assert/strict';
import { InferenceError, loadModel } from 'edge-infer';

await assert.rejects(loadModel(new Uint8Array(4), { device: 'echo', format: 'echo' }), (error) => {
  assert.ok(error instanceof InferenceError);
  assert.equal(error.code, 'ERR_UNAVAILABLE');
  assert.ok(error.remedy.length > 0);
  return true;
});
