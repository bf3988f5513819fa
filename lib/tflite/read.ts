/** Reads what a TFLite model's file says, without any SDK. The file may come from a stranger. */
import { InferenceError } from '../errors.js';
import type { Quantization } from '../types.js';
import { edgeTpuOperator, edgeTpuPackage } from './edgetpu.js';
import { damaged, FlatBuffer, type Table } from './flatbuffer.js';
import { customOperator, operatorName } from './operators.js';
import { fileIdentifier, slots, typeName } from './schema.js';
import type {
  EdgeTpuPackage,
  TfliteGraph,
  TfliteInfo,
  TfliteMetadata,
  TfliteOperator,
  TfliteSignature,
  TfliteTensor,
} from './types.js';
import { packedFiles } from './zip.js';

/** Whether a file that starts with these bytes, eight or more, is a TFLite model. */
export function isTflite(start: Uint8Array): boolean {
  return new FlatBuffer(start).identifier === fileIdentifier;
}

/** How an operator is called, apart from where it is used. */
interface Kind {
  readonly name: string;
  readonly custom: boolean;
  readonly version: number;
}

/** Throws `ERR_INVALID_MODEL` for what is no TFLite model, or a damaged one. */
export function readTflite(bytes: Uint8Array): TfliteInfo {
  if (!isTflite(bytes)) {
    throw new InferenceError('ERR_INVALID_MODEL', 'This is no TFLite model.', {
      remedy: `The file must be a flatbuffer with the identifier ${fileIdentifier}; convert the model to TFLite first.`,
    });
  }
  const buffer = new FlatBuffer(bytes);
  const model = buffer.root();
  const kinds = model.tables(slots.model.operatorCodes).map(kindOf);
  const graphs = model.tables(slots.model.subgraphs).map((table) => new GraphReader(buffer, table, kinds));
  if (graphs.length === 0) throw damaged('it has no graph');
  return {
    size: bytes.length,
    schemaVersion: model.uint32(slots.model.version),
    description: model.text(slots.model.description) ?? '',
    graphs: graphs.map((graph) => graph.info),
    signatures: model.tables(slots.model.signatures).map((table) => signatureOf(table, graphs)),
    metadata: metadataOf(bytes, model),
    files: packedFiles(bytes),
    edgeTpu: graphs.flatMap((graph) => graph.packages),
  };
}

function kindOf(table: Table): Kind {
  // Files from before 2020 have only the old field, of one byte; newer ones have both where the number fits.
  const old = table.int8(slots.operatorCode.oldBuiltin);
  const code = Math.max(old, table.int32(slots.operatorCode.builtin));
  const custom = code === customOperator;
  return {
    name: custom ? (table.text(slots.operatorCode.custom) ?? '') : operatorName(code),
    custom,
    version: table.int32(slots.operatorCode.version, 1),
  };
}

function quantizationOf(table: Table | null): Quantization | null {
  const scale = table?.float32s(slots.quantization.scale) ?? [];
  if (table === null || scale.length === 0) return null;
  const zeroPoint = (table.int64s(slots.quantization.zeroPoint) ?? []).map(Number);
  return {
    scale,
    zeroPoint: zeroPoint.length === scale.length ? zeroPoint : scale.map(() => 0), // as the runtime takes it
    axis: scale.length === 1 ? null : table.int32(slots.quantization.axis),
  };
}

function tensorOf(table: Table): TfliteTensor {
  const firstShape = table.int32s(slots.tensor.shape);
  const signature = table.int32s(slots.tensor.shapeSignature);
  // An empty list is what tensors of no known rank have, and scalars too, which then say that their rank is known.
  const hasRank = table.int8(slots.tensor.hasRank) !== 0 || (firstShape !== null && firstShape.length > 0);
  const hasSignature = signature !== null && signature.length === (firstShape?.length ?? 0);
  return {
    name: table.text(slots.tensor.name) ?? '',
    dtype: typeName(table.int8(slots.tensor.type)),
    shape: hasSignature && signature.length > 0 ? signature : hasRank ? (firstShape ?? []) : null,
    firstShape: firstShape ?? [],
    quantization: quantizationOf(table.table(slots.tensor.quantization)),
  };
}

class GraphReader {
  readonly info: TfliteGraph;
  readonly packages: readonly EdgeTpuPackage[];
  readonly #tensors: readonly Table[];

  constructor(buffer: FlatBuffer, table: Table, kinds: readonly Kind[]) {
    this.#tensors = table.tables(slots.subgraph.tensors);
    // Some writers list a kind of operator more than once.
    const operators = new Map<string, { -readonly [Key in keyof TfliteOperator]: TfliteOperator[Key] }>();
    const packages: EdgeTpuPackage[] = [];
    for (const operator of table.tables(slots.subgraph.operators)) {
      const kind = kinds[operator.uint32(slots.operator.code)];
      if (kind === undefined) throw damaged('an operator is of a kind that it does not list');
      const key = `${kind.version} ${kind.custom} ${kind.name}`;
      const listed = operators.get(key);
      if (listed === undefined) operators.set(key, { ...kind, count: 1 });
      else listed.count++;
      if (!kind.custom || kind.name !== edgeTpuOperator) continue;
      packages.push(edgeTpuPackage(buffer, operator.bytes(slots.operator.customOptions) ?? new Uint8Array(0)));
    }
    this.packages = packages;
    const ports = (slot: number): TfliteTensor[] => (table.int32s(slot) ?? []).map((index) => this.tensor(index));
    this.info = {
      name: table.text(slots.subgraph.name) ?? '',
      inputs: ports(slots.subgraph.inputs),
      outputs: ports(slots.subgraph.outputs),
      variables: this.#tensors.filter((tensor) => tensor.int8(slots.tensor.isVariable) !== 0).map(tensorOf),
      operators: [...operators.values()],
    };
  }

  /** Read each time, so that one which is listed again and again counts as often. */
  tensor(index: number): TfliteTensor {
    const table = this.#tensors[index];
    if (table === undefined) throw damaged('an input or output is a tensor that it does not have');
    return tensorOf(table);
  }
}

function signatureOf(table: Table, graphs: readonly GraphReader[]): TfliteSignature {
  const graph = table.uint32(slots.signature.subgraph);
  const reader = graphs[graph];
  if (reader === undefined) throw damaged('a signature is of a graph that it does not have');
  const ports = (slot: number): { name: string; tensor: string }[] =>
    table.tables(slot).map((map) => ({
      name: map.text(slots.tensorMap.name) ?? '',
      tensor: reader.tensor(map.uint32(slots.tensorMap.tensor)).name,
    }));
  return {
    key: table.text(slots.signature.key) ?? '',
    graph,
    inputs: ports(slots.signature.inputs),
    outputs: ports(slots.signature.outputs),
  };
}

const longestText = 200;

/** The value where it is a short line, with zeros behind it or not. */
function textOf(value: Uint8Array): string | null {
  if (value.length > longestText) return null;
  const text = Buffer.from(value).toString('utf8').replace(/\0+$/, '');
  // eslint-disable-next-line no-control-regex
  return text === '' || /[\u0000-\u001f\u007f-\u009f\ufffd]/.test(text) ? null : text;
}

function metadataOf(bytes: Uint8Array, model: Table): TfliteMetadata[] {
  const buffers = model.tables(slots.model.buffers);
  return model.tables(slots.model.metadata).map((table) => {
    const holder = buffers[table.uint32(slots.metadata.buffer)];
    if (holder === undefined) throw damaged('a metadata entry is in a buffer that it does not have');
    // Models of 2 GB and more keep their buffers behind the flatbuffer.
    const start = Number(holder.uint64(slots.buffer.offset));
    const size = Number(holder.uint64(slots.buffer.size));
    if (start > 1 && start + size > bytes.length) throw damaged('a buffer lies beyond its end');
    const value =
      start > 1 ? bytes.subarray(start, start + size) : (holder.bytes(slots.buffer.data) ?? new Uint8Array(0));
    return { name: table.text(slots.metadata.name) ?? '', size: value.length, text: textOf(value) };
  });
}
