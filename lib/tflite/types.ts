/** What a TFLite model's file says about the model: plain data, as `edge-infer inspect --json` prints it. */
import type { Quantization, Shape } from '../types.js';

export interface TfliteTensor {
  readonly name: string;
  /** Ours (`f32`), or the file's own name for a type that requests cannot carry (`string`, `int4`). */
  readonly dtype: string;
  /** −1 where the dimension is decided per run; `null` where even the rank is unknown. */
  readonly shape: Shape | null;
  /** What the runtime starts with: `shape` with numbers in place of −1. */
  readonly firstShape: Shape;
  readonly quantization: Quantization | null;
}

/** How often a graph has an operator. */
export interface TfliteOperator {
  /** `CONV_2D`; of a custom operator the model's own name for it. */
  readonly name: string;
  readonly custom: boolean;
  readonly version: number;
  readonly count: number;
}

export interface TfliteGraph {
  readonly name: string;
  readonly inputs: readonly TfliteTensor[];
  readonly outputs: readonly TfliteTensor[];
  /** Tensors that keep their values between runs. */
  readonly variables: readonly TfliteTensor[];
  /** In the order of their first use. */
  readonly operators: readonly TfliteOperator[];
}

/** Names for the inputs and outputs of a graph. */
export interface TfliteSignature {
  readonly key: string;
  /** Index in `graphs`. */
  readonly graph: number;
  readonly inputs: readonly TfliteSignaturePort[];
  readonly outputs: readonly TfliteSignaturePort[];
}

export interface TfliteSignaturePort {
  readonly name: string;
  /** The name of the graph's tensor. */
  readonly tensor: string;
}

export interface TfliteMetadata {
  readonly name: string;
  readonly size: number;
  /** The value, where it is a short text. */
  readonly text: string | null;
}

/** A file packed into the model, such as a list of labels. */
export interface PackedFile {
  readonly name: string;
  /** Unpacked, in bytes. */
  readonly size: number;
}

export interface TfliteInfo {
  /** Of the file, in bytes. */
  readonly size: number;
  readonly schemaVersion: number;
  readonly description: string;
  /** The main graph first. */
  readonly graphs: readonly TfliteGraph[];
  readonly signatures: readonly TfliteSignature[];
  readonly metadata: readonly TfliteMetadata[];
  readonly files: readonly PackedFile[];
  /** What is compiled for the Edge TPU; empty for a model that was not compiled. */
  readonly edgeTpu: readonly EdgeTpuPackage[];
}

/** One input or output as the Edge TPU sees it. */
export interface EdgeTpuLayer {
  readonly name: string;
  /** As the chip holds it, padding included, in bytes. */
  readonly size: number;
  readonly y: number;
  readonly x: number;
  readonly z: number;
  readonly dtype: string;
  readonly quantization: Quantization;
}

export interface EdgeTpuExecutable {
  /** `parameter-caching` brings parameters onto the chip, once; `execution-only` computes with them; `stand-alone` does both in every run. */
  readonly type: 'stand-alone' | 'parameter-caching' | 'execution-only';
  readonly name: string;
  readonly chip: string;
  readonly batch: number;
  readonly parameterBytes: number;
  readonly scratchBytes: number;
}

/** What one `edgetpu-custom-op` brings for the chip. */
export interface EdgeTpuPackage {
  /** The driver must have this runtime version or a newer one. */
  readonly minimumRuntimeVersion: number;
  readonly compilerVersion: string;
  readonly modelId: string;
  /** Parameters that stay on the chip between runs. */
  readonly cachedBytes: number;
  /** Parameters that cross the bus in every run. */
  readonly streamedBytes: number;
  readonly scratchBytes: number;
  /** Hexadecimal. Models with the same token were compiled together and share the chip's memory; null: none is cached. */
  readonly cachingToken: string | null;
  readonly inputs: readonly EdgeTpuLayer[];
  readonly outputs: readonly EdgeTpuLayer[];
  readonly executables: readonly EdgeTpuExecutable[];
}
