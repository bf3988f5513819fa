// Run by scripts/nodes-test.mjs on every supported Node, inside an installed package: the precision pass and its library.
'use strict';
const assert = require('assert');
const { convertPrecision } = require('edge-infer');

// y = Relu(x) in operator set 13, as Python's onnx writes it.
const model = Buffer.from(
  '080712003a3b0a0c0a0178120179220452656c751201675a130a0178120e0a0c080112080a0208010a020802' +
    '62130a0179120e0a0c080112080a0208010a02080242040a00100d',
  'hex',
);

const { model: converted, report } = convertPrecision(model, { precision: 'f16' });
assert.strictEqual(report.converted, 1);
assert.strictEqual(report.casts.added, 2);
assert.ok(Buffer.from(converted).includes('x_f16'));
assert.throws(() => convertPrecision(model.subarray(0, 40), { precision: 'f16' }), { code: 'ERR_INVALID_MODEL' });
