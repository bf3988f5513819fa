/**
 * ONNX's operators of the default domain: from which operator set on they take f16 and bf16, which of their inputs and
 * outputs share that type, what types the others have, and which are better left in f32.
 */
import { elementTypes } from './schema.js';

/** How an operator takes the two types. */
export interface FloatOperator {
  /** The operator set that first allows the type; null for never. */
  readonly f16: number;
  readonly bf16: number | null;
  /** The inputs that share the type, by index; null for all that are f32. */
  readonly inputs: readonly number[] | null;
  /** The outputs that share it; null for all. */
  readonly outputs: readonly number[] | null;
}

/**
 * `NAME`, with `:` and the inputs where not all share the type, with `>` and the outputs where not all do (`>-` for none).
 * The lists are by the first operator set with f16 and with bf16; ONNX 1.23's schemas were the source, and
 * test/onnx/operators.test.ts compares.
 */
const since: readonly (readonly [f16: number, bf16: number | null, names: string])[] = [
  [
    1,
    13,
    `Abs Add ArgMax>- ArgMin>- Ceil Clip Concat DepthToSpace Div Dropout:0>0 Exp Flatten Floor Gather Gemm Greater>- Hardmax Identity
    LRN Less>- Log LogSoftmax MatMul Max Mean Min Mul Neg Pad Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Sigmoid Slice Softmax SpaceToDepth Split
    Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze`,
  ],
  [1, 14, 'BatchNormalization'],
  [1, 15, 'Pow'],
  [1, 16, 'LeakyRelu PRelu'],
  [
    1,
    22,
    `AveragePool Conv ConvTranspose Elu GRU GlobalAveragePool GlobalLpPool GlobalMaxPool HardSigmoid
    InstanceNormalization LSTM LpNormalization LpPool MaxPool>0 MaxRoiPool RNN Selu Softplus Softsign`,
  ],
  [1, 24, 'TopK>0'],
  [1, null, 'Upsample:0'],
  [6, 13, 'Tile'],
  [7, 22, 'Acos Asin Atan Cos Sin Tan'],
  [8, 13, 'Expand'],
  [9, 13, 'Erf IsNaN>- MeanVarianceNormalization NonZero>- Sign'],
  [9, 16, 'Where:1,2'],
  [9, 22, 'Acosh Asinh Atanh Cosh MaxUnpool Sinh'],
  [9, 28, 'Compress'],
  [9, null, 'Scatter Shrink'],
  [10, 13, 'Mod Resize:0'],
  [10, 22, 'RoiAlign ThresholdedRelu'],
  [10, 28, 'ReverseSequence'],
  [11, 13, 'Equal>- GatherElements GatherND ScatterElements ScatterND'],
  [11, 22, 'Det Round'],
  [12, 16, 'GreaterOrEqual>- LessOrEqual>-'],
  [12, 28, 'Einsum'],
  [14, 14, 'CumSum Trilu'],
  [14, 22, 'HardSwish'],
  [16, 22, 'GridSample'],
  [17, 17, 'DFT LayerNormalization>0'],
  [18, 18, 'CenterCropPad Col2Im'],
  [18, 22, 'Mish'],
  [19, 22, 'DeformConv'],
  [20, 20, 'AffineGrid Gelu IsInf>-'],
  [21, 21, 'GroupNormalization'],
  [23, 23, 'Attention RMSNormalization RotaryEmbedding'],
  [24, 24, 'Swish'],
  [26, 26, 'CumProd'],
  [28, 28, 'Celu'],
];

function indexes(text: string | undefined): readonly number[] | null {
  if (text === undefined) return null;
  return text === '-' ? [] : text.split(',').map(Number);
}

/** What can be computed in f16 or bf16. Cast is not among them: it is a matter of its own. */
export const floatOperators: ReadonlyMap<string, FloatOperator> = new Map(
  since.flatMap(([f16, bf16, names]) =>
    names.split(/\s+/).map((word): [string, FloatOperator] => {
      const [, name = '', inputs, outputs] = /^(\w+)(?::([\d,]+))?(?:>([-\d,]+))?$/.exec(word) ?? [];
      return [name, { f16, bf16, inputs: indexes(inputs), outputs: indexes(outputs) }];
    }),
  ),
);

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(/\s+/));
}

/**
 * Stay in f32 unless asked otherwise: what sums many values or squares them, what grows fast or divides by what may be
 * tiny, and what turns values into an order or into coordinates.
 */
export const sensitiveOperators: ReadonlySet<string> = words(
  `Acos Acosh Asin Asinh Atanh Cosh CumProd CumSum DFT Det Exp GlobalLpPool GridSample GroupNormalization
  InstanceNormalization LRN LayerNormalization Log LogSoftmax LpNormalization LpPool MeanVarianceNormalization Pow
  RMSNormalization Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSum
  ReduceSumSquare RoiAlign Sinh Softmax Softplus Tan TopK`,
);

/** Move or select values, or compare them: as exact in one type as in the other. */
export const movingOperators: ReadonlySet<string> = words(
  `ArgMax ArgMin CenterCropPad Compress Concat DepthToSpace Equal Expand Flatten Gather GatherElements GatherND Greater
  GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual NonZero Pad ReduceMax ReduceMin Reshape ReverseSequence Slice
  SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze`,
);

/** Cheap, and as sensitive as what they are computed from: the rest of a variance, the sides of a picture. */
export const followingOperators: ReadonlySet<string> = words(
  'Abs Add Ceil Clip Cos Div Erf Floor Max Mean Min Mod Mul Neg Round Sign Sin Sqrt Sub Sum Where',
);

/** Where values begin that are about shapes and positions. */
export const positionOperators: ReadonlySet<string> = words('EyeLike NonZero Range Shape Size');

/** What may follow an integer convolution or a sum in one kernel, before the result is quantized again. */
export const fusedOperators: ReadonlySet<string> = words(
  'Add Clip HardSigmoid HardSwish LeakyRelu Mul PRelu Relu Sigmoid',
);

/** Accept every type, and give none of it on. */
export const indifferentOperators: ReadonlySet<string> = words('Shape Size');

/**
 * The types of the outputs of what is in no list above: a type, or `iN` for that of input N, or an attribute with the type
 * where it is not given.
 */
export type OutputType =
  number | `i${number}` | { readonly attribute: string; readonly otherwise: number | `i${number}` };

const { f32, u8, i32, i64, bool } = elementTypes;

const outputTypes: Readonly<Record<string, readonly OutputType[]>> = {
  And: [bool],
  BitwiseAnd: ['i0'],
  BitwiseNot: ['i0'],
  BitwiseOr: ['i0'],
  BitwiseXor: ['i0'],
  BitShift: ['i0'],
  Bernoulli: [{ attribute: 'dtype', otherwise: 'i0' }],
  CastLike: ['i1'],
  ConvInteger: [i32],
  DequantizeLinear: [{ attribute: 'output_dtype', otherwise: 'i1' }],
  DynamicQuantizeLinear: [u8, f32, u8],
  EyeLike: [{ attribute: 'dtype', otherwise: 'i0' }],
  MatMulInteger: [i32],
  NonMaxSuppression: [i64],
  Not: [bool],
  OneHot: ['i2'],
  Or: [bool],
  QLinearConv: ['i7'],
  QLinearMatMul: ['i7'],
  QuantizeLinear: [{ attribute: 'output_dtype', otherwise: 'i2' }],
  RandomNormal: [{ attribute: 'dtype', otherwise: f32 }],
  RandomNormalLike: [{ attribute: 'dtype', otherwise: 'i0' }],
  RandomUniform: [{ attribute: 'dtype', otherwise: f32 }],
  RandomUniformLike: [{ attribute: 'dtype', otherwise: 'i0' }],
  Range: ['i0'],
  STFT: ['i0'],
  Shape: [i64],
  Size: [i64],
  Unique: ['i0', i64, i64, i64],
  Xor: [bool],
};

/** Of the outputs of those in `floatOperators` that do not share their type. */
const otherOutputs: Readonly<Record<string, readonly (OutputType | undefined)[]>> = {
  ArgMax: [i64],
  ArgMin: [i64],
  Dropout: [undefined, bool],
  Equal: [bool],
  Greater: [bool],
  GreaterOrEqual: [bool],
  IsInf: [bool],
  IsNaN: [bool],
  LayerNormalization: [undefined, f32, f32],
  Less: [bool],
  LessOrEqual: [bool],
  MaxPool: [undefined, i64],
  NonZero: [i64],
  TopK: [undefined, i64],
};

/** The type of an output that does not share the operator's float type; undefined where we do not know it. */
export function outputType(operator: string, output: number): OutputType | undefined {
  return (otherOutputs[operator] ?? outputTypes[operator])?.[output];
}
