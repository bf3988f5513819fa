/** The table of operators is what ONNX's schemas say, those of every operator set from 7 on. */
import { floatOperators, followingOperators, movingOperators, sensitiveOperators } from '../../lib/onnx/operators.js';
import { schemas, type Schema } from '../support/onnx-check.js';

const all = schemas();
const newest = Math.max(...all.map(({ since }) => since));

/** The schema of an operator in an operator set. */
function schemaOf(name: string, opset: number): Schema | undefined {
  return all.filter((one) => one.name === name && one.since <= opset).sort((a, b) => b.since - a.since)[0];
}

/** Those of the table that may be f32. */
function shared(ports: Schema['inputs'], indexes: readonly number[] | null): Schema['inputs'] {
  const chosen = indexes === null ? ports : ports.filter((_, i) => indexes.includes(i));
  return chosen.filter(({ allows }) => allows.includes('f32'));
}

describe.each([...floatOperators])('%s', (name, operator) => {
  it.each(['f16', 'bf16'] as const)('takes and gives %s exactly where the table says so', (precision) => {
    for (let opset = 7; opset <= newest; opset++) {
      const schema = schemaOf(name, opset);
      if (schema === undefined) continue;
      const ports = [...shared(schema.inputs, operator.inputs), ...shared(schema.outputs, operator.outputs)];
      // Before an operator takes f32, no model in f32 has it.
      if (ports.length === 0) continue;
      const since = operator[precision];
      const allowed = ports.every(({ allows }) => allows.includes(precision));
      expect([opset, allowed]).toEqual([opset, since !== null && opset >= since]);
    }
  });

  it('has the type of its first shared input', () => {
    for (let opset = 7; opset <= newest; opset++) {
      const schema = schemaOf(name, opset);
      if (schema === undefined) continue;
      const first = schema.inputs[operator.inputs?.[0] ?? 0]!;
      if (shared(schema.inputs, operator.inputs).length === 0) continue; // takes no f32 yet
      const [output] = shared(schema.outputs, operator.outputs);
      expect(first.allows).toContain('f32');
      // RMSNormalization's is that of its scale, which has the same here.
      if (output !== undefined && name !== 'RMSNormalization') expect(output.type).toBe(first.type);
    }
  });

  it('has no other inputs and outputs of the shared type', () => {
    for (let opset = 7; opset <= newest; opset++) {
      const schema = schemaOf(name, opset);
      if (schema === undefined) continue;
      const type = shared(schema.inputs, operator.inputs)[0]?.type;
      const others = [
        ...schema.inputs.filter((_, i) => operator.inputs?.includes(i) === false),
        ...schema.outputs.filter((_, i) => operator.outputs?.includes(i) === false),
      ];
      // Dropout's mask had the type of the values before operator set 10: the pass knows.
      if (name === 'Dropout' && opset < 10) continue;
      expect(others.filter((port) => port.type === type && port.allows.includes('f32'))).toEqual([]);
    }
  });
});

it('the other lists name operators of ONNX', () => {
  const names = new Set(all.map(({ name }) => name));
  const listed = [...sensitiveOperators, ...followingOperators, ...movingOperators];
  expect(listed.filter((name) => !names.has(name))).toEqual([]);
});

it('every other operator that ONNX defines in f16 is left out on purpose', () => {
  const missing = new Set<string>();
  for (const { name, inputs, outputs } of all) {
    const [takes, gives] = [inputs, outputs].map((ports) => ports.some(({ allows }) => allows.includes('f16')));
    if (takes && gives && !floatOperators.has(name)) missing.add(name);
  }
  expect([...missing].sort()).toEqual([
    'Bernoulli', // random
    'BitCast',
    'Cast', // a matter of its own
    'CastLike',
    'CausalConvWithState',
    'DequantizeLinear', // its scale stays in f32
    'EyeLike',
    'LinearAttention',
    'Loop', // its body is converted
    'MelWeightMatrix',
    'NegativeLogLikelihoodLoss', // for training
    'OneHot',
    'OptionalGetElement',
    'RandomNormalLike',
    'RandomUniformLike',
    'Range', // positions
    'STFT',
    'Scan',
    'SoftmaxCrossEntropyLoss',
    'SwiGLU', // newer than the engines
    'TensorScatter',
    'Unique',
  ]);
});
