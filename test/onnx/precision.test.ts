/** The precision pass on small graphs: where its casts stand, what stays in f32, and what becomes of constants. */
import { onnx } from 'onnx-proto';
import { convertPrecision, fromF16 } from '../../lib/index.js';
import type { ConvertedModel, PrecisionOptions, PrecisionReport } from '../../lib/index.js';
import { Folder } from '../support/folder.js';
import { attribute, buildOnnx, onnxTypes } from '../support/onnx.js';
import { thrown } from '../support/wait.js';
import { Converter, decoded, f32Port, graphFacts, node } from './models.js';

const folder = new Folder();
const converter = new Converter(folder);
const four = Float32Array.of(1, 2, 3, 4);

function reasons({ report }: ConvertedModel): Record<string, string> {
  return reasonsOf(report);
}

function reasonsOf(report: PrecisionReport): Record<string, string> {
  return Object.fromEntries(report.kept.map(({ operator, reason }) => [operator, reason]));
}

describe('casts', () => {
  it('stand behind f32 inputs and before f32 outputs, whose types stay', () => {
    const { facts, report } = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('y')],
      nodes: [node('MatMul(x, w) -> product'), node('Relu(product) -> y')],
      constants: [{ name: 'w', shape: [2, 2], values: four }],
      valueInfo: [f32Port('product')],
    });
    expect(facts.nodes).toEqual([
      'Cast:f16(x) -> x_f16',
      'MatMul(x_f16, w) -> product',
      'Relu(product) -> y_f16',
      'Cast:f32(y_f16) -> y',
    ]);
    expect(facts.types).toEqual({ x: 'f32', y: 'f32', product: 'f16' });
    expect(facts.constants).toEqual({ w: 'f16' });
    expect(report).toEqual({
      precision: 'f16',
      operatorSet: 13,
      nodes: 2,
      converted: 2,
      kept: [],
      casts: { added: 2, removed: 0 },
      weights: { tensors: 1, values: 4, vanished: 0 },
    });
  });

  it('are one per tensor and direction', () => {
    const { facts } = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('y'), f32Port('p'), f32Port('q')],
      nodes: [
        node('Relu(x) -> a'),
        node('Tanh(x) -> b'),
        node('Add(a, b) -> y'),
        node('Softmax(y) -> p'),
        node('Softmax(a) -> s'),
        node('Exp(a) -> e'),
        node('MatMul(s, y) -> t'),
        node('MatMul(e, t) -> q'),
      ],
    });
    expect(facts.nodes.filter((text) => text.startsWith('Cast'))).toEqual([
      'Cast:f16(x) -> x_f16',
      'Cast:f32(a) -> a_f32',
      'Cast:f32(y_f16) -> y',
      'Cast:f16(s) -> s_f16',
      'Cast:f16(e) -> e_f16',
      'Cast:f32(q_f16) -> q',
    ]);
    expect(facts.nodes).toContain('Softmax(y) -> p');
    expect(facts.nodes).toContain('MatMul(s_f16, y_f16) -> t');
  });

  it('take names that are free', () => {
    const { facts } = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('x_f16')],
      nodes: [node('Relu(x) -> x_f16')],
    });
    expect(facts.nodes).toEqual([
      'Cast:f16(x) -> x_f16_2',
      'Relu(x_f16_2) -> x_f16_f16',
      'Cast:f32(x_f16_f16) -> x_f16',
    ]);
  });

  it('of the model go where they would change nothing', () => {
    const { facts, report } = converter.build({
      inputs: [{ name: 'x', type: 'f16', shape: [2, 2] }],
      outputs: [{ name: 'y', type: 'f16', shape: [2, 2] }],
      nodes: [
        node('Cast(x) -> wide', { attributes: [attribute.int('to', onnxTypes.f32)] }),
        node('Relu(wide) -> a'),
        node('Cast(a) -> narrow', { attributes: [attribute.int('to', onnxTypes.f16)] }),
        node('Tanh(narrow) -> y'),
      ],
    });
    expect(facts.nodes).toEqual(['Relu(x) -> a', 'Tanh(a) -> y']);
    expect(report.casts).toEqual({ added: 0, removed: 2 });
  });

  it('of whole numbers give the new type at once, unless f32 is wanted of them', () => {
    const graph = (op: string) => ({
      inputs: [{ name: 'x', type: 'u8' as const, shape: [2, 2] }],
      outputs: [f32Port('y')],
      nodes: [node('Cast(x) -> wide', { attributes: [attribute.int('to', onnxTypes.f32)] }), node(`${op}(wide) -> y`)],
    });
    expect(converter.build(graph('Relu')).facts.nodes[0]).toBe('Cast:f16(x) -> wide');
    const kept = converter.build(graph('Softmax'));
    expect(kept.facts.nodes).toEqual(['Cast:f32(x) -> wide', 'Softmax(wide) -> y']);
    expect(kept.report.converted).toBe(0);
  });

  it('to whole numbers take what there is', () => {
    const { facts } = converter.build({
      inputs: [f32Port('x')],
      outputs: [
        { name: 'y', type: 'i32', shape: [2, 2] },
        { name: 'z', type: 'i32', shape: [2, 2] },
      ],
      nodes: [
        node('Relu(x) -> a'),
        node('Cast(a) -> y', { attributes: [attribute.int('to', onnxTypes.i32)] }),
        node('Cast(x) -> z', { attributes: [attribute.int('to', onnxTypes.i32)] }),
      ],
    });
    expect(facts.nodes).toEqual(['Cast:f16(x) -> x_f16', 'Relu(x_f16) -> a', 'Cast:i32(a) -> y', 'Cast:i32(x) -> z']);
  });
});

it('a choice between values has their type, not that of the condition', () => {
  const { facts } = converter.build({
    inputs: [{ name: 'c', type: 'bool', shape: [2, 2] }, f32Port('x')],
    outputs: [f32Port('y')],
    nodes: [node('Relu(x) -> a'), node('Where(c, a, x) -> b'), node('Tanh(b) -> y')],
  });
  expect(facts.nodes).toContain('Where(c, a, x_f16) -> b');
  expect(facts.nodes).toContain('Tanh(b) -> y_f16');
});

describe('what stays in f32', () => {
  const chain = {
    inputs: [f32Port('x')],
    outputs: [f32Port('y')],
    nodes: [node('Relu(x) -> a', { name: 'first' }), node('Softmax(a) -> b'), node('Tanh(b) -> y', { name: 'last' })],
  };

  it('is what is sensitive to rounding', () => {
    const converted = converter.build(chain);
    expect(converted.facts.nodes).toContain('Softmax(a_f32) -> b');
    expect(reasons(converted)).toEqual({ Softmax: 'its operator is sensitive to rounding' });
  });

  it('is what the caller names, by operator or by node; sensitive operators can be converted', () => {
    expect(reasons(converter.build(chain, { keep: ['Tanh'] }))).toMatchObject({ Tanh: 'its operator is to be kept' });
    expect(reasons(converter.build(chain, { keepNodes: ['first'] }))).toMatchObject({ Relu: 'its name is to be kept' });
    const converted = converter.build(chain, { convert: ['Softmax'] });
    expect(converted.report.kept).toEqual([]);
    expect(converted.report.casts.added).toBe(2);
  });

  it('is what has weights beyond the range of f16: none becomes infinite', () => {
    const graph = (values: Float32Array) => ({
      inputs: [f32Port('x')],
      outputs: [f32Port('y')],
      nodes: [node('Relu(x) -> a'), node('Add(a, c) -> b'), node('MatMul(b, b) -> y')],
      constants: [{ name: 'c', shape: [values.length], values }],
    });
    const kept = converter.build(graph(Float32Array.of(1, -65520)));
    expect(reasons(kept)).toEqual({ Add: "its weights 'c' reach 6.55e+4" });
    expect(kept.facts.constants).toEqual({ c: 'f32' });
    // The largest that still rounds to 65,504, and what was infinite before.
    const fits = converter.build(graph(Float32Array.of(65519, -Infinity)));
    expect(fits.report.kept).toEqual([]);
    // Here it is the last value before infinity.
    const bf16 = converter.build(graph(Float32Array.of(1, -65520)), { precision: 'bf16' });
    expect(bf16.report.kept).toEqual([]);
    expect(bf16.facts.constants).toEqual({ c: 'bf16' });
  });

  it('is what would be left with nothing but zeros', () => {
    const graph = (values: Float32Array) => ({
      inputs: [f32Port('x')],
      outputs: [f32Port('y')],
      nodes: [node('Relu(x) -> a'), node('Mul(a, c) -> b'), node('MatMul(b, b) -> y')],
      constants: [{ name: 'c', shape: [values.length], values }],
    });
    expect(reasons(converter.build(graph(Float32Array.of(1e-12))))).toEqual({
      Mul: "its weights 'c' would all become 0",
    });
    const some = converter.build(graph(Float32Array.of(1e-12, 1)));
    expect(some.report).toMatchObject({ kept: [], weights: { tensors: 1, values: 2, vanished: 1 } });
    expect(converter.build(graph(Float32Array.of(0))).report.kept).toEqual([]);
  });

  it('is a weight for nodes that stay, beside the copy for those that do not', () => {
    const { facts } = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('y'), f32Port('z')],
      nodes: [node('MatMul(x, w) -> y'), node('Pow(x, w) -> z')],
      constants: [{ name: 'w', shape: [2, 2], values: four }],
    });
    expect(facts.constants).toEqual({ w: 'f32', w_f16: 'f16' });
    expect(facts.nodes).toContain('MatMul(x_f16, w_f16) -> y_f16');
    expect(facts.nodes).toContain('Pow(x, w) -> z');
  });

  it('is the end of a computation that is exact: the divisor of a normalization', () => {
    const converted = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('y')],
      nodes: [
        node('Relu(x) -> a'),
        node('ReduceMean(a) -> mean'),
        node('Sub(a, mean) -> centred'),
        node('Pow(centred, two) -> squares'),
        node('ReduceMean(squares) -> variance'),
        node('Add(variance, epsilon) -> positive'),
        node('Sqrt(positive) -> deviation'),
        node('Div(centred, deviation) -> y'),
      ],
      constants: [
        { name: 'two', shape: [], values: Float32Array.of(2) },
        { name: 'epsilon', shape: [], values: Float32Array.of(1e-5) },
      ],
    });
    expect(reasons(converted)).toEqual({
      ReduceMean: 'its operator is sensitive to rounding',
      Pow: 'its operator is sensitive to rounding',
      Add: 'it finishes what is computed in f32',
      Sqrt: 'it finishes what is computed in f32',
    });
    expect(converted.facts.nodes).toContain('Div(centred, deviation_f16) -> y_f16');
  });

  it('is what is computed from shapes', () => {
    const converted = converter.build({
      inputs: [{ name: 'x', type: 'f32', shape: [1, 1, 'h', 'w'] }],
      outputs: [{ name: 'y', type: 'f32', shape: [1, 1, 'H', 'W'] }],
      nodes: [
        node('Relu(x) -> a'),
        node('Shape(a) -> shape'),
        node('Cast(shape) -> size', { attributes: [attribute.int('to', onnxTypes.f32)] }),
        node('Mul(size, factor) -> larger'),
        node('Div(larger, size) -> scales'),
        node('Resize(a, , scales) -> y'),
      ],
      constants: [{ name: 'factor', shape: [4], values: Float32Array.of(1, 1, 2, 2) }],
    });
    expect(reasons(converted)).toEqual({
      Cast: 'it only moves values that are f32',
      Mul: 'it finishes what is computed in f32',
      Div: 'it finishes what is computed in f32',
    });
    expect(converted.facts.nodes).toContain('Resize(a, , scales) -> y_f16');
    expect(converted.facts.nodes).toContain('Shape(a) -> shape');
  });

  it('is what only moves values between nodes that stay', () => {
    const { facts } = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('y'), f32Port('z')],
      nodes: [
        node('Softmax(x) -> a'),
        node('Transpose(a) -> b'),
        node('Identity(b) -> c'),
        node('Exp(c) -> y'),
        node('Transpose(y) -> d'),
        node('Relu(d) -> z'),
      ],
    });
    expect(facts.nodes).toEqual([
      'Softmax(x) -> a',
      'Transpose(a) -> b',
      'Identity(b) -> c',
      'Exp(c) -> y',
      'Cast:f16(y) -> y_f16',
      'Transpose(y_f16) -> d',
      'Relu(d) -> z_f16',
      'Cast:f32(z_f16) -> z',
    ]);
  });

  it('is what ONNX does not define in the new type', () => {
    const graph = (op: string) => ({
      inputs: [f32Port('x')],
      outputs: [f32Port('y')],
      nodes: [node(`${op}(x) -> y`)],
    });
    expect(reasons(converter.build(graph('Celu')))).toEqual({ Celu: 'operator set 13 has no f16 for it' });
    expect(reasons(converter.build(graph('Shrink'), { precision: 'bf16' }))).toEqual({
      Shrink: 'operator set 13 has no bf16 for it',
    });
  });

  it('is what takes values of unknown types, and operators of other domains', () => {
    const graph = {
      inputs: [f32Port('x')],
      outputs: [f32Port('y'), f32Port('z')],
      nodes: [
        node('Relu(x) -> a'),
        node('Secret(a) -> b', { domain: 'example' }),
        node('Relu(b) -> y'),
        node('Secret(a) -> c', { domain: 'example' }),
        node('Tanh(c) -> z'),
      ],
      valueInfo: [f32Port('b')],
    };
    const converted = convertPrecision(buildOnnx(graph, 13, ['example']), { precision: 'f16' });
    expect(reasons(converted)).toEqual({
      Secret: 'its operator is not one of ONNX',
      Tanh: "the type of its input 'c' is not known",
    });
    expect(graphFacts(decoded(converted.model).graph!).nodes).toEqual([
      'Cast:f16(x) -> x_f16',
      'Relu(x_f16) -> a',
      'Cast:f32(a) -> a_f32',
      'Secret(a_f32) -> b',
      'Cast:f16(b) -> b_f16',
      'Relu(b_f16) -> y_f16',
      'Cast:f32(y_f16) -> y',
      'Secret(a_f32) -> c',
      'Tanh(c) -> z',
    ]);
  });
});

it('functions of the model stay as they are, and what calls them, whatever they are called', () => {
  const model = decoded(
    buildOnnx(
      {
        inputs: [f32Port('x')],
        outputs: [f32Port('y')],
        nodes: [node('Tanh(x) -> a'), node('Relu(a) -> b', { domain: 'own' }), node('Sigmoid(b) -> y')],
        valueInfo: [f32Port('b')],
      },
      13,
      ['own'],
    ),
  );
  const twice = {
    name: 'Relu',
    domain: 'own',
    input: ['v'],
    output: ['w'],
    node: [{ opType: 'Add', input: ['v', 'v'], output: ['w'] }],
    opsetImport: [{ domain: '', version: 13 }],
  };
  const bytes = onnx.ModelProto.encode({ ...model, irVersion: 8, functions: [twice] }).finish();
  for (const precision of ['f16', 'bf16'] as const) {
    const { facts, report, model: written } = converter.convert(bytes, { precision });
    expect(facts.nodes).toContain('Relu(a_f32) -> b');
    expect(reasonsOf(report)).toEqual({ Relu: 'its operator is not one of ONNX' });
    expect(decoded(written).functions).toEqual(decoded(bytes).functions);
  }
});

it('a table of weights becomes smaller, also where what it gives is wanted in f32', () => {
  const { facts } = converter.build({
    inputs: [{ name: 'i', type: 'i64', shape: [2] }],
    outputs: [f32Port('y')],
    nodes: [node('Gather(w, i) -> a'), node('Softmax(a) -> y')],
    constants: [{ name: 'w', shape: [2, 2], values: four }],
  });
  expect(facts.constants).toEqual({ w: 'f16' });
  expect(facts.nodes).toEqual(['Gather(w, i) -> a', 'Cast:f32(a) -> a_f32', 'Softmax(a_f32) -> y']);
});

it('the mask of Dropout, which was of the type of the values until operator set 10', () => {
  const graph = (outputs: string) => ({
    inputs: [f32Port('x')],
    outputs: [f32Port('y')],
    nodes: [node(`Dropout(x) -> ${outputs}`), node('Relu(a) -> y')],
  });
  expect(reasons(converter.build(graph('a, mask'), {}, 9))).toEqual({ Dropout: 'its mask is used' });
  expect(converter.build(graph('a'), {}, 9).report.converted).toBe(2);
  expect(converter.build(graph('a, mask'), {}, 10).report.converted).toBe(2);
});

describe('quantized models', () => {
  const scale = { name: 'scale', shape: [], values: Float32Array.of(0.1) };
  const zero = { name: 'zero', shape: [], values: Uint8Array.of(0) };

  it.each([13, 19, 21])('keep what takes dequantized values only, and what ends in quantization: opset %i', (opset) => {
    const converted = converter.build(
      {
        inputs: [f32Port('x')],
        outputs: [f32Port('y')],
        nodes: [
          node('QuantizeLinear(x, scale, zero) -> q'),
          node('DequantizeLinear(q, scale, zero) -> a'),
          node('DequantizeLinear(w, scale, zero) -> b'),
          node('Transpose(b) -> turned'),
          node('MatMul(a, turned) -> c'),
          node('Relu(c) -> d'),
          node('QuantizeLinear(d, scale, zero) -> e'),
          node('DequantizeLinear(e, scale, zero) -> f'),
          node('Mul(f, x) -> g'),
          node('Tanh(g) -> y'),
        ],
        constants: [scale, zero, { name: 'w', shape: [2, 2], values: Uint8Array.of(1, 2, 3, 4) }],
      },
      {},
      opset,
    );
    expect(reasons(converted)).toEqual({
      QuantizeLinear: 'its scale stays in f32',
      DequantizeLinear: 'its scale stays in f32',
      Transpose: 'its inputs are dequantized',
      MatMul: 'its inputs are dequantized',
      Relu: 'its result is quantized',
    });
    expect(converted.facts.nodes).toContain('Mul(f_f16, x_f16) -> g');
  });

  it('are converted where only the weights are quantized', () => {
    const { facts } = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('y')],
      nodes: [node('DequantizeLinear(w, scale, zero) -> b'), node('MatMul(x, b) -> y')],
      constants: [scale, zero, { name: 'w', shape: [2, 2], values: Uint8Array.of(1, 2, 3, 4) }],
    });
    expect(facts.nodes).toContain('MatMul(x_f16, b_f16) -> y_f16');
  });
});

describe('constants', () => {
  /** y = x + Constant. */
  function added(attributes: onnx.IAttributeProto[], shape = [2]): onnx.ITensorProto {
    const { model } = converter.build({
      inputs: [f32Port('x', shape)],
      outputs: [f32Port('y', shape)],
      nodes: [node('Constant() -> c', { attributes }), node('Add(x, c) -> y')],
    });
    const constant = decoded(model).graph!.node!.find(({ opType }) => opType === 'Constant')!;
    expect(constant.attribute!.map(({ name }) => name)).toEqual(['value']);
    return constant.attribute![0]!.t!;
  }

  function numbers({ rawData }: onnx.ITensorProto): number[] {
    const bytes = Uint8Array.from(rawData!);
    return [...fromF16(new Uint16Array(bytes.buffer))];
  }

  it('of nodes become f16, in whatever form the file has them', () => {
    const values = { dims: [2], dataType: onnxTypes.f32, floatData: [0.5, 3] };
    const raw = Uint8Array.from(new Uint8Array(Float32Array.of(0.5, 3).buffer));
    for (const one of [
      attribute.tensor('value', values),
      attribute.tensor('value', { dims: [2], dataType: onnxTypes.f32, rawData: raw }),
      attribute.floats('value_floats', [0.5, 3]),
    ]) {
      const tensor = added([one]);
      expect(tensor.dataType).toBe(onnxTypes.f16);
      expect(tensor.dims!.map(Number)).toEqual([2]);
      expect(tensor.floatData).toEqual([]);
      expect(numbers(tensor)).toEqual([0.5, 3]);
    }
    const scalar = added([attribute.float('value_float', 0.5)]);
    expect([scalar.dims, numbers(scalar)]).toEqual([[], [0.5]]);
  });

  it('are rounded to the nearest, ties to even, and subnormal ones stay', () => {
    const values = [2049, 2051, 2 ** -24, 2 ** -25, 2 ** -14, -0];
    const tensor = added([attribute.floats('value_floats', values)], [6]);
    expect(numbers(tensor)).toEqual([2048, 2052, 2 ** -24, 0, 2 ** -14, -0]);
  });

  it('are not copied into f16 where nobody wants them so', () => {
    const { facts, report } = converter.build({
      inputs: [f32Port('x')],
      outputs: [f32Port('y'), f32Port('c')],
      nodes: [node('Pow(x, c) -> y')],
      constants: [{ name: 'c', shape: [2, 2], values: four }],
    });
    expect(facts.constants).toEqual({ c: 'f32' });
    expect(report.converted).toBe(0);
  });

  it('that are listed among the inputs become constants, in files of version 3 too', () => {
    for (const version of [3, 8]) {
      const model = decoded(
        buildOnnx({
          inputs: [f32Port('x'), f32Port('w')],
          outputs: [f32Port('y')],
          nodes: [node('MatMul(x, w) -> y')],
          constants: [{ name: 'w', shape: [2, 2], values: four }],
        }),
      );
      model.irVersion = version;
      const { facts, model: written } = converter.convert(onnx.ModelProto.encode(model).finish());
      expect(facts.inputs).toEqual(['x']);
      expect(facts.constants).toEqual({ w: 'f16' });
      expect(Number(decoded(written).irVersion)).toBe(Math.max(version, 4));
    }
  });
});

describe('the operator set in bf16', () => {
  const image = f32Port('x', [1, 1, 4, 4]);
  const conv = [node('Conv(x, w) -> a'), node('Relu(a) -> b')];
  const constants = [{ name: 'w', shape: [1, 1, 1, 1], values: Float32Array.of(2) }];

  it('becomes 22 where convolutions gain from it', () => {
    const graph = { inputs: [image], outputs: [f32Port('b', [1, 1, 4, 4])], nodes: conv, constants };
    const converted = converter.build(graph, { precision: 'bf16' });
    expect(converted.report).toMatchObject({ operatorSet: 22, converted: 2, kept: [] });
    expect(decoded(converted.model).opsetImport!.map(({ version }) => Number(version))).toEqual([22]);
    expect(converted.facts.nodes[1]).toBe('Conv(x_bf16, w) -> a');
    expect(converter.build(graph, { precision: 'f16' }).report.operatorSet).toBe(13);
    const kept = converter.build({ ...graph, nodes: [...conv, node('Identity(b) -> c')] }, { precision: 'bf16' }, 22);
    expect(kept.report.operatorSet).toBe(22);
    const simple = { inputs: [f32Port('x')], outputs: [f32Port('y')], nodes: [node('Relu(x) -> y')] };
    expect(converter.build(simple, { precision: 'bf16' }).report.operatorSet).toBe(13);
  });

  it('becomes 22 with operators that are written otherwise there', () => {
    const { model, report } = converter.build(
      {
        inputs: [
          image,
          f32Port('grid', [1, 4, 4, 2]),
          f32Port('rois', [1, 4]),
          { name: 'batch', type: 'i64', shape: [1] },
        ],
        outputs: [f32Port('y', [1, 1, 1, 1]), f32Port('r', [1, 1, 1, 1]), f32Port('q', [1, 1, 2, 4])],
        nodes: [
          ...conv,
          node('GridSample(b, grid) -> g', { attributes: [attribute.text('mode', 'bilinear')] }),
          node('RoiAlign(g, rois, batch) -> r'),
          node('Split(g) -> p, q', { attributes: [attribute.int('axis', 2)] }),
          node('ReduceMean(p) -> y', { attributes: [attribute.ints('axes', [2, 3]), attribute.int('keepdims', 1)] }),
        ],
        constants,
      },
      { precision: 'bf16' },
      16,
    );
    expect(report.operatorSet).toBe(22);
    const graph = decoded(model).graph!;
    const attributes = (op: string): Record<string, unknown> => {
      const found = graph.node!.find(({ opType }) => opType === op)!.attribute!;
      return Object.fromEntries(
        found.map(({ name, s, i }) => [name, s!.length > 0 ? Buffer.from(s!).toString() : Number(i)]),
      );
    };
    expect(attributes('GridSample')).toEqual({ mode: 'linear' });
    expect(attributes('RoiAlign')).toEqual({});
    expect(attributes('Split')).toEqual({ axis: 2, num_outputs: 2 });
    expect(attributes('ReduceMean')).toEqual({ keepdims: 1 });
    const [axes] = graph.initializer!.filter(({ name }) => name === 'y_axes');
    expect(axes!.int64Data!.map(Number)).toEqual([2, 3]);
  });

  it('RoiAlign keeps its coordinates: until operator set 16 they had no half pixel', () => {
    const { model } = converter.build(
      {
        inputs: [image, f32Port('rois', [1, 4]), { name: 'batch', type: 'i64', shape: [1] }],
        outputs: [f32Port('r', [1, 1, 1, 1])],
        nodes: [...conv, node('RoiAlign(b, rois, batch) -> r')],
        constants,
      },
      { precision: 'bf16' },
    );
    const found = decoded(model).graph!.node!.find(({ opType }) => opType === 'RoiAlign')!;
    expect(found.attribute!.map(({ name, s }) => [name, Buffer.from(s!).toString()])).toEqual([
      ['coordinate_transformation_mode', 'output_half_pixel'],
    ]);
  });

  it('stays where a node would mean something else', () => {
    const { report } = converter.build(
      {
        inputs: [image, f32Port('scale', [1]), f32Port('bias', [1]), f32Port('mean', [1]), f32Port('variance', [1])],
        outputs: [f32Port('y', [1, 1, 4, 4])],
        nodes: [...conv, node('BatchNormalization(b, scale, bias, mean, variance) -> y, m, v, s, t')],
        constants,
      },
      { precision: 'bf16' },
    );
    expect(report.operatorSet).toBe(13);
    expect(report.kept.map(({ operator, reason }) => `${operator}: ${reason}`)).toContain(
      'Conv: operator set 13 has no bf16 for it',
    );
  });
});

describe('bodies', () => {
  const body = (op: string, output: string) => ({
    inputs: [],
    outputs: [f32Port(output)],
    nodes: [node(`${op}(a) -> ${output}_more`), node(`Add(${output}_more, w) -> ${output}`)],
  });

  it('are converted; what they take from around them too', () => {
    const { model, facts } = converter.build({
      inputs: [f32Port('x'), { name: 'choice', type: 'bool', shape: [] }],
      outputs: [f32Port('y')],
      nodes: [
        node('Relu(x) -> a'),
        node('If(choice) -> b', {
          attributes: [
            attribute.graph('then_branch', body('Tanh', 'yes')),
            attribute.graph('else_branch', body('Exp', 'no')),
          ],
        }),
        node('Relu(b) -> y'),
      ],
      constants: [{ name: 'w', shape: [2, 2], values: four }],
    });
    expect(facts.nodes).toEqual([
      'Cast:f16(x) -> x_f16',
      'Relu(x_f16) -> a',
      'Cast:f32(a) -> a_f32',
      'If(choice) -> b',
      'Cast:f16(b) -> b_f16',
      'Relu(b_f16) -> y_f16',
      'Cast:f32(y_f16) -> y',
    ]);
    const branches = decoded(model).graph!.node!.find(({ opType }) => opType === 'If')!.attribute!;
    expect(graphFacts(branches[0]!.g!).nodes).toEqual([
      'Tanh(a) -> yes_more',
      'Add(yes_more, w_f16) -> yes_f16',
      'Cast:f32(yes_f16) -> yes',
    ]);
    expect(graphFacts(branches[1]!.g!).nodes).toEqual(['Exp(a_f32) -> no_more', 'Add(no_more, w) -> no']);
    expect(facts.constants).toEqual({ w: 'f32', w_f16: 'f16' });
  });

  it('of a loop keep the types of what they pass on', () => {
    const { model } = converter.build({
      inputs: [f32Port('x'), { name: 'times', type: 'i64', shape: [] }, { name: 'go', type: 'bool', shape: [] }],
      outputs: [f32Port('y')],
      nodes: [
        node('Loop(times, go, x) -> y', {
          attributes: [
            attribute.graph('body', {
              inputs: [
                { name: 'i', type: 'i64', shape: [] },
                { name: 'on', type: 'bool', shape: [] },
                f32Port('state'),
              ],
              outputs: [{ name: 'further', type: 'bool', shape: [] }, f32Port('next')],
              nodes: [node('Identity(on) -> further'), node('Tanh(state) -> next')],
            }),
          ],
        }),
      ],
    });
    const [attributes] = decoded(model).graph!.node!.map((one) => one.attribute!);
    expect(graphFacts(attributes![0]!.g!).nodes).toEqual([
      'Cast:f16(state) -> state_f16',
      'Identity(on) -> further',
      'Tanh(state_f16) -> next_f16',
      'Cast:f32(next_f16) -> next',
    ]);
  });
});

describe('the file', () => {
  const model = buildOnnx({ inputs: [f32Port('x')], outputs: [f32Port('y')], nodes: [node('Relu(x) -> y')] });

  it('keeps fields that we do not know, and all of itself where nothing is converted', () => {
    const unknown = Uint8Array.of(0xc2, 0x3e, 3, 1, 2, 3); // field 1000, three bytes
    const more = Uint8Array.from([...model, ...unknown]);
    const converted = convertPrecision(more, { precision: 'f16' });
    expect(converted.report.converted).toBe(1);
    expect([...converted.model.slice(-6)]).toEqual([...unknown]);
    expect(decoded(converted.model).producerName).toBe('test');
    expect(convertPrecision(more, { precision: 'f16', keep: ['Relu'] }).model).toEqual(more);
  });

  it('is not written to, wherever its bytes lie', () => {
    const padded = Buffer.concat([Buffer.alloc(1), model]);
    const before = Buffer.from(padded);
    const { report } = convertPrecision(padded.subarray(1), { precision: 'f16' });
    expect(report.converted).toBe(1);
    expect(padded).toEqual(before);
  });
});

describe('errors', () => {
  const model = buildOnnx({ inputs: [f32Port('x')], outputs: [f32Port('y')], nodes: [node('Relu(x) -> y')] });

  it.each<[string, unknown, RegExp]>([
    ['no precision', {}, /precision/],
    ['another precision', { precision: 'f32' }, /'f16' or 'bf16'/],
    ['a text for a list', { precision: 'f16', keep: 'Relu' }, /`keep`/],
    ['an operator that is converted anyway', { precision: 'f16', convert: ['Relu'] }, /`convert`/],
    ['a node that is not there', { precision: 'f16', keepNodes: ['Relu_7'] }, /no node 'Relu_7'/],
  ])('%s', (_, options, message) => {
    const error = thrown(() => convertPrecision(model, options as PrecisionOptions));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringMatching(message) });
  });

  it('what is no Uint8Array', () => {
    const error = thrown(() => convertPrecision('model.onnx' as unknown as Uint8Array, { precision: 'f16' }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it.each([
    ['f16', 6],
    ['bf16', 12],
  ] as const)('%s in operator set %i', (precision, opset) => {
    const old = buildOnnx({ inputs: [f32Port('x')], outputs: [f32Port('y')], nodes: [node('Relu(x) -> y')] }, opset);
    expect(thrown(() => convertPrecision(old, { precision }))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      remedy: expect.stringContaining('version_converter'),
    });
  });
});
