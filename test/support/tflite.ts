/** Writes small TFLite models for tests. */
import { beyondOldCodes, customOperator, operatorCode } from '../../lib/tflite/operators.js';
import { fileIdentifier, schemaVersion, slots, typeNumber } from '../../lib/tflite/schema.js';
import type { Quantization, Shape } from '../../lib/types.js';
import {
  bytes,
  flatbuffer,
  float32,
  float32s,
  int32,
  int32s,
  int64s,
  int8,
  table,
  tables,
  text,
  type Fields,
} from './flatbuffer.js';

export interface TensorOptions {
  readonly name?: string;
  readonly quantization?: Quantization;
  /** What the file gives as shape where `shape` has −1; default: ones. */
  readonly firstShape?: Shape;
}

/** A tensor's type, by our name (`f32`) or, where we have none, the schema's (`string`), and its shape: −1 is decided per run. */
export interface TensorKind extends TensorOptions {
  readonly dtype: string;
  readonly shape: Shape;
}

/** A tensor of a graph. */
export interface Port extends TensorKind {
  readonly index: number;
}

/** The options table of a built-in operator: its number in the union `BuiltinOptions`, and its fields. */
export type Options = readonly [type: number, fields: Fields];

/** Options that models of ours use; other operators take none, or `[number, fields]`. */
export const options = {
  concatenation: (axis: number): Options => [10, { 0: int32(axis) }],
  add: [11, {}] as Options,
  reshape: (shape: Shape): Options => [17, { 0: int32s(shape) }],
  mul: [21, {}] as Options,
  softmax: (beta = 1): Options => [9, { 0: float32(beta) }],
  /** `out`: the type of the result, int32 or int64. */
  shape: (out: 'i32' | 'i64'): Options => [55, { 0: int8(typeNumber(out)) }],
  reduce: (keepDims: boolean): Options => [27, { 0: int8(keepDims ? 1 : 0) }],
};

interface OperatorKind {
  readonly builtin: number;
  readonly custom?: string;
  readonly version: number;
}

/** Tensors, operators, inputs and outputs; `Tflite` makes it. */
export class Graph {
  readonly #model: Tflite;
  readonly #name: string;
  readonly #tensors: Fields[] = [];
  readonly #operators: Fields[] = [];
  readonly #inputs: number[] = [];
  readonly #outputs: number[] = [];

  constructor(model: Tflite, name: string) {
    this.#model = model;
    this.#name = name;
  }

  input(name: string, dtype: string, shape: Shape, more: TensorOptions = {}): Port {
    const port = this.#tensor({ dtype, shape, ...more, name });
    this.feed(port);
    return port;
  }

  /** Lists a tensor among the inputs, whatever it is. */
  feed(port: Port): void {
    this.#inputs.push(port.index);
  }

  output(port: Port): void {
    this.#outputs.push(port.index);
  }

  constant(dtype: string, shape: Shape, values: ArrayBufferView, more: TensorOptions = {}): Port {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return this.#tensor({ dtype, shape, ...more }, { buffer: this.#model.buffer(data) });
  }

  /** A tensor that keeps its values between runs. */
  variable(dtype: string, shape: Shape, more: TensorOptions = {}): Port {
    return this.#tensor({ dtype, shape, ...more }, { variable: true });
  }

  /** A built-in operator with one output. */
  op(name: string, inputs: readonly (Port | null)[], output: TensorKind, optionsOfIt?: Options, version = 1): Port {
    return this.ops(name, inputs, [output], optionsOfIt, version)[0]!;
  }

  ops(
    name: string,
    inputs: readonly (Port | null)[],
    outputs: readonly TensorKind[],
    optionsOfIt?: Options,
    version = 1,
  ): Port[] {
    const { optionsType, options: optionsSlot } = slots.operator;
    const more: Fields =
      optionsOfIt === undefined ? {} : { [optionsType]: int8(optionsOfIt[0]), [optionsSlot]: table(optionsOfIt[1]) };
    return this.#operator({ builtin: operatorCode(name), version }, inputs, outputs, more);
  }

  /** An operator that TFLite does not bring along. */
  custom(name: string, inputs: readonly Port[], outputs: readonly TensorKind[], customOptions: Uint8Array): Port[] {
    return this.#operator({ builtin: customOperator, custom: name, version: 1 }, inputs, outputs, {
      [slots.operator.customOptions]: bytes(customOptions, 16),
    });
  }

  fields(): Fields {
    const { tensors, inputs, outputs, operators, name } = slots.subgraph;
    return {
      [tensors]: tables(this.#tensors),
      [inputs]: int32s(this.#inputs),
      [outputs]: int32s(this.#outputs),
      [operators]: tables(this.#operators),
      [name]: text(this.#name),
    };
  }

  #operator(
    kind: OperatorKind,
    inputs: readonly (Port | null)[],
    outputs: readonly TensorKind[],
    more: Fields,
  ): Port[] {
    const ports = outputs.map((output) => this.#tensor(output));
    this.#operators.push({
      [slots.operator.code]: int32(this.#model.operatorCode(kind)),
      [slots.operator.inputs]: int32s(inputs.map((port) => port?.index ?? -1)), // −1: an optional input that is not given
      [slots.operator.outputs]: int32s(ports.map(({ index }) => index)),
      ...more,
    });
    return ports;
  }

  #tensor(kind: TensorKind, { buffer = 0, variable = false } = {}): Port {
    const index = this.#tensors.length;
    const { shape, quantization, name = `tensor${index}` } = kind;
    const isDynamic = shape.some((dim) => dim < 0);
    const first = isDynamic ? (kind.firstShape ?? shape.map((dim) => (dim < 0 ? 1 : dim))) : shape;
    this.#tensors.push({
      [slots.tensor.shape]: int32s(first),
      [slots.tensor.type]: int8(typeNumber(kind.dtype)),
      [slots.tensor.buffer]: int32(buffer),
      [slots.tensor.name]: text(name),
      [slots.tensor.quantization]: quantization === undefined ? undefined : table(quantizationFields(quantization)),
      [slots.tensor.isVariable]: variable ? int8(1) : undefined,
      [slots.tensor.shapeSignature]: isDynamic ? int32s(shape) : undefined,
      [slots.tensor.hasRank]: int8(1),
    });
    return { ...kind, name, index };
  }
}

function quantizationFields({ scale, zeroPoint, axis }: Quantization): Fields {
  return {
    [slots.quantization.scale]: float32s(scale),
    [slots.quantization.zeroPoint]: int64s(zeroPoint.map(BigInt)),
    [slots.quantization.axis]: axis === null ? undefined : int32(axis),
  };
}

/** Graph by graph, the main one first; then `build()`. */
export class Tflite {
  readonly main: Graph;
  readonly #graphs: Graph[] = [];
  // The first buffer is the empty one of all tensors without constant values.
  readonly #buffers: Uint8Array[] = [new Uint8Array(0)];
  readonly #kinds: OperatorKind[] = [];
  readonly #signatures: Fields[] = [];
  readonly #metadata: Fields[] = [];
  readonly #description: string;

  constructor(description = 'test') {
    this.#description = description;
    this.main = this.graph('main');
  }

  graph(name: string): Graph {
    const graph = new Graph(this, name);
    this.#graphs.push(graph);
    return graph;
  }

  /** Names for the inputs and outputs of a graph, by which callers find them. */
  signature(
    key: string,
    inputs: Readonly<Record<string, Port>>,
    outputs: Readonly<Record<string, Port>>,
    subgraph = 0,
  ): void {
    const maps = (ports: Readonly<Record<string, Port>>): Fields[] =>
      Object.entries(ports).map(([name, { index }]) => ({
        [slots.tensorMap.name]: text(name),
        [slots.tensorMap.tensor]: int32(index),
      }));
    this.#signatures.push({
      [slots.signature.inputs]: tables(maps(inputs)),
      [slots.signature.outputs]: tables(maps(outputs)),
      [slots.signature.key]: text(key),
      [slots.signature.subgraph]: int32(subgraph),
    });
  }

  metadata(name: string, data: Uint8Array): void {
    this.#metadata.push({ [slots.metadata.name]: text(name), [slots.metadata.buffer]: int32(this.buffer(data)) });
  }

  /** Adds bytes and returns their number. */
  buffer(data: Uint8Array): number {
    return this.#buffers.push(data) - 1;
  }

  /** Adds an operator to the model's list, once, and returns its number there. */
  operatorCode(kind: OperatorKind): number {
    const { builtin, custom, version } = kind;
    const at = this.#kinds.findIndex(
      (other) => other.builtin === builtin && other.custom === custom && other.version === version,
    );
    return at >= 0 ? at : this.#kinds.push(kind) - 1;
  }

  build(version: number = schemaVersion): Uint8Array {
    const { model, operatorCode: code, buffer } = slots;
    return flatbuffer(
      {
        [model.version]: int32(version),
        [model.operatorCodes]: tables(
          this.#kinds.map((kind) => ({
            [code.oldBuiltin]: int8(Math.min(kind.builtin, beyondOldCodes)),
            [code.custom]: kind.custom === undefined ? undefined : text(kind.custom),
            [code.version]: int32(kind.version),
            [code.builtin]: int32(kind.builtin),
          })),
        ),
        [model.subgraphs]: tables(this.#graphs.map((graph) => graph.fields())),
        [model.description]: text(this.#description),
        // The schema asks that constants lie at multiples of 16.
        [model.buffers]: tables(
          this.#buffers.map((data) => (data.length === 0 ? {} : { [buffer.data]: bytes(data, 16) })),
        ),
        [model.metadata]: this.#metadata.length === 0 ? undefined : tables(this.#metadata),
        [model.signatures]: this.#signatures.length === 0 ? undefined : tables(this.#signatures),
      },
      fileIdentifier,
    );
  }
}
