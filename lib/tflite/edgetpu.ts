/** Models compiled for the Edge TPU: what their packages ask of the driver and the chip, and whether a driver can run them. */
import { InferenceError } from '../errors.js';
import { damaged, FlatBuffer, type Table } from './flatbuffer.js';
import { flexMapBytes } from './flexbuffer.js';
import type { EdgeTpuExecutable, EdgeTpuLayer, EdgeTpuPackage, TfliteInfo } from './types.js';

/** The custom operator that stands for everything that was compiled. */
export const edgeTpuOperator = 'edgetpu-custom-op';

/** Field numbers and enumerations of the packages (`executable.fbs` of libedgetpu, which is public). */
export const edgeTpuFormat = {
  /** The key of the package in the operator's options. */
  key: '4',
  identifier: 'DWN1',
  package: { minimumRuntimeVersion: 0, executables: 1, compilerVersion: 4, chips: 6, modelId: 7 },
  multiExecutable: { executables: 0 },
  executable: {
    name: 1,
    batch: 3,
    scratchBytes: 4,
    parameters: 6,
    inputs: 8,
    outputs: 9,
    chip: 10,
    type: 13,
    cachingToken: 14,
  },
  layer: { name: 0, size: 1, y: 2, x: 3, z: 4, numerics: 5, dtype: 6 },
  numerics: { zeroPoint: 0, scale: 1 },
  types: ['stand-alone', 'parameter-caching', 'execution-only'],
  dtypes: { 0: 'u8', 1: 'u16', 2: 'i32', 3: 'bf16', 4: 'f16', 5: 'f32', 8: 'i8', 9: 'i16' } as Record<number, string>,
} as const;

function layerOf(table: Table): EdgeTpuLayer {
  const { layer, numerics, dtypes } = edgeTpuFormat;
  const numbers = table.table(layer.numerics);
  const dtype = table.int16(layer.dtype);
  return {
    name: table.text(layer.name) ?? '',
    size: table.int32(layer.size),
    y: table.int32(layer.y),
    x: table.int32(layer.x),
    z: table.int32(layer.z),
    dtype: dtypes[dtype] ?? `type ${dtype}`,
    quantization: {
      scale: [numbers?.float32(numerics.scale) ?? 0],
      zeroPoint: [numbers?.int32(numerics.zeroPoint) ?? 0],
      axis: null,
    },
  };
}

function executableOf(table: Table): EdgeTpuExecutable {
  const { executable, types } = edgeTpuFormat;
  const type = types[table.int16(executable.type)];
  if (type === undefined) throw damaged('an Edge TPU executable is of no known type');
  return {
    type,
    name: table.text(executable.name) ?? '',
    chip: table.text(executable.chip) ?? '',
    batch: table.int32(executable.batch),
    parameterBytes: table.bytes(executable.parameters)?.length ?? 0,
    scratchBytes: table.int32(executable.scratchBytes),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

// Not `Math.max(...values)`: a hostile list would not fit on the stack.
function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0);
}

function packageOf(buffer: FlatBuffer): EdgeTpuPackage {
  const { identifier, package: slots, multiExecutable, executable: slot } = edgeTpuFormat;
  if (buffer.identifier !== identifier) throw damaged('what it brings for the Edge TPU is no package');
  const root = buffer.root();
  const nested = root.bytes(slots.executables);
  const parts =
    nested === null || nested.length === 0 ? [] : buffer.nested(nested).root().byteVectors(multiExecutable.executables);
  const tables = parts.map((part) => buffer.nested(part).root());
  const executables = tables.map(executableOf);
  const running = tables.find((_, i) => executables[i]?.type !== 'parameter-caching');
  const bytesOf = (isCached: boolean): number =>
    sum(
      executables
        .filter(({ type }) => (type === 'parameter-caching') === isCached)
        .map(({ parameterBytes }) => parameterBytes),
    );
  const token = tables.map((table) => table.uint64(slot.cachingToken)).find((value) => value !== 0n);
  return {
    minimumRuntimeVersion: root.int32(slots.minimumRuntimeVersion),
    compilerVersion: root.text(slots.compilerVersion) ?? '',
    modelId: root.text(slots.modelId) ?? '',
    cachedBytes: bytesOf(true),
    streamedBytes: bytesOf(false),
    scratchBytes: largest(executables.map(({ scratchBytes }) => scratchBytes)),
    cachingToken: token?.toString(16) ?? null,
    inputs: running?.tables(slot.inputs).map(layerOf) ?? [],
    outputs: running?.tables(slot.outputs).map(layerOf) ?? [],
    executables,
  };
}

/** The package in the options of an `edgetpu-custom-op` of a model. Throws `ERR_INVALID_MODEL`. */
export function edgeTpuPackage(model: FlatBuffer, customOptions: Uint8Array): EdgeTpuPackage {
  const bytes = flexMapBytes(customOptions, edgeTpuFormat.key);
  if (bytes === null) throw damaged('an operator for the Edge TPU brings no package');
  return packageOf(model.nested(bytes));
}

/**
 * Throws `ERR_UNSUPPORTED` for a model that the Edge TPU cannot run: one that is not compiled for it, or for a newer
 * runtime than the driver's. `driverRuntimeVersion` is what the driver says of itself, 14 for the last one published.
 */
export function checkEdgeTpuModel(info: TfliteInfo, driverRuntimeVersion: number): void {
  const count = sum((info.graphs[0]?.operators ?? []).map((operator) => operator.count));
  if (info.edgeTpu.length === 0) {
    throw new InferenceError(
      'ERR_UNSUPPORTED',
      `The model is not compiled for the Edge TPU: every one of its operators (${count}) would run on the CPU.`,
      {
        remedy:
          'Compile its full-integer form with edgetpu_compiler and load the file that ends in _edgetpu.tflite, or load ' +
          "this one with the device 'tflite:cpu'.",
      },
    );
  }
  const needed = largest(info.edgeTpu.map(({ minimumRuntimeVersion }) => minimumRuntimeVersion));
  if (needed > driverRuntimeVersion) {
    throw new InferenceError(
      'ERR_UNSUPPORTED',
      `The model was compiled for Edge TPU runtime ${needed}; this driver is ${driverRuntimeVersion}.`,
      {
        remedy:
          `Install a libedgetpu of runtime ${needed} or newer, or compile the model with ` +
          `\`edgetpu_compiler --min_runtime_version ${driverRuntimeVersion}\`.`,
      },
    );
  }
}
