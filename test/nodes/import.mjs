// Run by scripts/nodes-test.mjs: ES modules import by name on every supported Node.
import assert from 'node:assert';
import { InferenceError, listBackends, loadModel } from 'edge-infer';

assert.strictEqual(typeof loadModel, 'function');
assert.strictEqual(typeof listBackends, 'function');
assert.ok(new InferenceError('ERR_BUSY', 'x') instanceof Error);
