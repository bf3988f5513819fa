/**
 * Writes models "compiled" for the Edge TPU, for the simulator: one `edgetpu-custom-op` with a package built by hand and
 * no code for the chip. The operator's options carry its CPU twin, which the simulator runs in its place.
 */
import { edgeTpuFormat, edgeTpuOperator } from '../../lib/tflite/edgetpu.js';
import { readTflite } from '../../lib/tflite/read.js';
import type { TfliteTensor } from '../../lib/tflite/types.js';
import type { Shape } from '../../lib/types.js';
import {
  byteVectors,
  bytes,
  flatbuffer,
  float32,
  int16,
  int32,
  int64,
  table,
  tables,
  text,
  type Fields,
} from './flatbuffer.js';
import { flexMap } from './flexbuffer.js';
import { options as operatorOptions, Tflite, type TensorKind, type TensorOptions } from './tflite.js';

/** The key of the twin's bytes, a blob, in the operator's options. The simulator looks for it. */
export const twinKey = 'edge_infer_twin';

export interface PackageOptions {
  /** Default 13: a driver of today has 14. */
  readonly minimumRuntimeVersion?: number;
  readonly compilerVersion?: string;
  readonly modelId?: string;
  /** Bytes of parameters that stay on the chip: with some, there is an executable that brings them there. Default 0. */
  readonly cachedBytes?: number;
  /** Bytes of parameters that cross the bus in every run. Default 0. */
  readonly streamedBytes?: number;
  readonly scratchBytes?: number;
  /** Of models compiled together. Default 1. */
  readonly cachingToken?: bigint;
}

export interface CompiledOptions extends PackageOptions {
  /** Default true. Without it the simulator takes the twin that its environment names, as for real compiled models. */
  readonly twin?: boolean;
  /** One more operator behind the compiled one, which the CPU has to run: the (quantized) outputs become f32. */
  readonly tail?: 'dequantize';
}

const widths: Readonly<Record<string, number>> = { u16: 2, i16: 2, bf16: 2, f16: 2, i32: 4, u32: 4, f32: 4 };

function layerFields({ name, dtype, shape, quantization }: TfliteTensor): Fields {
  const { layer, numerics, dtypes } = edgeTpuFormat;
  const [z = 1, x = 1, ...rest] = [...(shape ?? [])].reverse().map((dim) => Math.max(dim, 1));
  const y = rest.reduce((product, dim) => product * dim, 1);
  const type = Object.entries(dtypes).find(([, known]) => known === dtype)?.[0] ?? '0';
  const size = y * x * z * (widths[dtype] ?? 1);
  return {
    [layer.name]: text(name),
    [layer.size]: int32(Math.ceil(size / 8) * 8), // the chip pads
    [layer.y]: int32(y),
    [layer.x]: int32(x),
    [layer.z]: int32(z),
    [layer.numerics]: table({
      [numerics.zeroPoint]: int32(quantization?.zeroPoint[0] ?? 0),
      [numerics.scale]: float32(quantization?.scale[0] ?? 1),
    }),
    [layer.dtype]: int16(Number(type)),
  };
}

/** The package of one operator with these inputs and outputs. */
export function edgeTpuPackageOf(
  inputs: readonly TfliteTensor[],
  outputs: readonly TfliteTensor[],
  options: PackageOptions = {},
): Uint8Array {
  const { executable, types, identifier, package: slots, multiExecutable } = edgeTpuFormat;
  const { cachedBytes = 0, streamedBytes = 0, scratchBytes = 0, cachingToken = 1n } = options;
  const part = (type: (typeof types)[number], parameters: number, more: Fields): Uint8Array =>
    flatbuffer({
      [executable.name]: text('test'),
      [executable.batch]: int32(1),
      [executable.parameters]: parameters === 0 ? undefined : bytes(new Uint8Array(parameters).fill(7), 16),
      [executable.chip]: text('beagle'),
      [executable.type]: int16(types.indexOf(type)),
      [executable.cachingToken]: cachedBytes === 0 ? undefined : int64(cachingToken),
      ...more,
    });
  const running = part(cachedBytes === 0 ? 'stand-alone' : 'execution-only', streamedBytes, {
    [executable.scratchBytes]: int32(scratchBytes),
    [executable.inputs]: tables(inputs.map(layerFields)),
    [executable.outputs]: tables(outputs.map(layerFields)),
  });
  const parts = cachedBytes === 0 ? [running] : [running, part('parameter-caching', cachedBytes, {})];
  return flatbuffer(
    {
      [slots.minimumRuntimeVersion]: int32(options.minimumRuntimeVersion ?? 13),
      [slots.executables]: bytes(flatbuffer({ [multiExecutable.executables]: byteVectors(parts, 16) }), 16),
      [slots.compilerVersion]: text(options.compilerVersion ?? 'edge-infer test'),
      [slots.modelId]: options.modelId === undefined ? undefined : text(options.modelId),
    },
    identifier,
  );
}

function kindOf({ name, dtype, shape, firstShape, quantization }: TfliteTensor): TensorKind & { name: string } {
  return {
    name,
    dtype,
    shape: shape ?? [],
    firstShape,
    ...(quantization !== null && { quantization }),
  };
}

/** The compiled form of any model: one operator with the same inputs and outputs, by the same names. */
export function compiledOf(twin: Uint8Array, options: CompiledOptions = {}): Uint8Array {
  const { inputs, outputs } = readTflite(twin).graphs[0]!;
  const model = new Tflite('compiled for the simulator');
  const graph = model.main;
  const ports = inputs.map(kindOf).map(({ name, dtype, shape, ...more }) => graph.input(name, dtype, shape, more));
  const customOptions = flexMap({
    '1': 0,
    [edgeTpuFormat.key]: { string: edgeTpuPackageOf(inputs, outputs, options) },
    ...(options.twin !== false && { [twinKey]: { blob: twin } }),
  });
  for (const port of graph.custom(edgeTpuOperator, ports, outputs.map(kindOf), customOptions)) {
    if (options.tail === undefined) graph.output(port);
    else graph.output(graph.op('DEQUANTIZE', [port], { dtype: 'f32', shape: port.shape, name: `${port.name}:f32` }));
  }
  return model.build();
}

/** Of both sides the same, so that sums are exact: the least value of the type stands for 0. */
const quantizations: Readonly<Record<'u8' | 'i8', TensorOptions>> = {
  u8: { quantization: { scale: [1], zeroPoint: [0], axis: null } },
  i8: { quantization: { scale: [1], zeroPoint: [-128], axis: null } },
};

/** y = x + number in the numbers as they are stored, up to the type's largest: a quantized model that anyone can check. */
export function quantizedAddTflite(dtype: 'u8' | 'i8', number: number, shape: Shape): Uint8Array {
  const model = new Tflite();
  const graph = model.main;
  const more = quantizations[dtype];
  const x = graph.input('x', dtype, shape, more);
  const zero = more.quantization!.zeroPoint[0]!;
  const constant = graph.constant(dtype, [], Int8Array.of(number + zero), more);
  graph.output(graph.op('ADD', [x, constant], { dtype, shape, name: 'y', ...more }, operatorOptions.add, 2));
  return model.build();
}

/** y = a + b, likewise, where the least value of the type counts as 0: for i8, y = a + b + 128. */
export function quantizedSumTflite(dtype: 'u8' | 'i8', shape: Shape): Uint8Array {
  const model = new Tflite();
  const graph = model.main;
  const more = quantizations[dtype];
  const [a, b] = [graph.input('a', dtype, shape, more), graph.input('b', dtype, shape, more)];
  graph.output(graph.op('ADD', [a, b], { dtype, shape, name: 'y', ...more }, operatorOptions.add, 2));
  return model.build();
}
