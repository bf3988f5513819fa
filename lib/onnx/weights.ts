/** Constants: their f32 values, and what becomes of them in f16 or bf16. */
import { InferenceError } from '../errors.js';
import { toBf16, toF16 } from '../half.js';
import type { Value } from './graph.js';
import { attributeOf } from './graph.js';
import { damaged, Message } from './message.js';
import { attributeTypes, elementTypes, fields } from './schema.js';

export type HalfPrecision = 'f16' | 'bf16';

/** Bits that are all set where a value is infinite or not a number. */
const exponent = { f16: 0x7c00, bf16: 0x7f80 } as const;

export interface Narrowed {
  /** As the file has them: little-endian. */
  readonly bytes: Uint8Array;
  readonly dims: readonly number[];
  readonly count: number;
  /** The largest magnitude of a finite value that became infinite; 0 where none did. */
  readonly beyond: number;
  /** How many values other than 0 became 0. */
  readonly vanished: number;
  /** How many values other than 0 there were. */
  readonly nonzero: number;
}

const f32Attributes = ['value_float', 'value_floats'];

function tensorOf({ constant, producer }: Value): Message | undefined {
  if (producer === null) return constant ?? undefined;
  return attributeOf(producer.message, 'value')?.message(fields.attribute.t);
}

function valuesOf(tensor: Message, name: string): Float32Array {
  if (tensor.integer(fields.tensor.dataLocation) === 1) {
    throw new InferenceError('ERR_UNSUPPORTED', `The weights '${name}' are in a file beside the model.`, {
      remedy: 'Name its folder with `folder`, or give the path of the model instead of its bytes.',
    });
  }
  if (tensor.has(fields.tensor.segment)) throw damaged(`the tensor '${name}' is a segment`);
  const count = tensor.integers(fields.tensor.dims).reduce((product, dim) => {
    if (dim < 0) throw damaged(`the tensor '${name}' has a dimension of ${dim}`);
    return product * dim;
  }, 1);
  const raw = tensor.bytes(fields.tensor.rawData);
  const bytes = raw?.length ?? 0;
  if (raw !== undefined && bytes > 0) {
    if (bytes !== count * 4) throw damaged(`the tensor '${name}' has ${bytes} bytes for ${count} values`);
    // Where the bytes are not aligned, they have to be moved.
    const aligned = raw.byteOffset % 4 === 0 ? raw : raw.slice();
    return new Float32Array(aligned.buffer, aligned.byteOffset, count);
  }
  const values = tensor.floats(fields.tensor.floatData);
  if (values.length !== count) throw damaged(`the tensor '${name}' has ${values.length} values for ${count}`);
  return values;
}

/** The f32 values of a constant with their dimensions; null where it holds none that we can read. */
function f32Of(value: Value): { readonly values: Float32Array; readonly dims: readonly number[] } | null {
  if (value.constant === null || value.type !== elementTypes.f32) return null;
  const tensor = tensorOf(value);
  if (tensor !== undefined) {
    return { values: valuesOf(tensor, value.name), dims: tensor.integers(fields.tensor.dims) };
  }
  const one = attributeOf(value.constant, 'value_float');
  if (one !== undefined) {
    const values = one.floats(fields.attribute.f);
    return { values: values.length === 0 ? new Float32Array(1) : values.slice(-1), dims: [] };
  }
  const values = attributeOf(value.constant, 'value_floats')?.floats(fields.attribute.floats);
  return values === undefined ? null : { values, dims: [values.length] };
}

/** Rounds to the nearest, ties to even. null for what is no f32 constant. Throws `ERR_INVALID_MODEL` for a damaged one. */
export function narrow(value: Value, precision: HalfPrecision): Narrowed | null {
  const source = f32Of(value);
  if (source === null) return null;
  const { values, dims } = source;
  const half = precision === 'f16' ? toF16(values) : toBf16(values);
  const infinite = exponent[precision];
  let [beyond, vanished, nonzero] = [0, 0, 0];
  for (let i = 0; i < half.length; i++) {
    const magnitude = half[i]! & 0x7fff;
    if (magnitude === 0) {
      if (values[i] !== 0) vanished++;
      continue;
    }
    nonzero++;
    if (magnitude === infinite && Number.isFinite(values[i])) beyond = Math.max(beyond, Math.abs(values[i]!));
  }
  nonzero += vanished;
  const bytes = new Uint8Array(half.buffer, half.byteOffset, half.byteLength);
  return { bytes, dims, count: values.length, beyond, vanished, nonzero };
}

function fill(tensor: Message, narrowed: Narrowed, precision: HalfPrecision): void {
  tensor.setInteger(fields.tensor.dataType, elementTypes[precision]);
  tensor.remove(fields.tensor.floatData);
  tensor.setBytes(fields.tensor.rawData, narrowed.bytes);
}

/** The constant itself becomes f16 or bf16. */
export function replaceValues(value: Value, narrowed: Narrowed, precision: HalfPrecision): void {
  const tensor = tensorOf(value);
  if (tensor !== undefined) {
    fill(tensor, narrowed, precision);
    return;
  }
  const node = value.constant!;
  const kept = node
    .messages(fields.node.attribute)
    .filter((attribute) => !f32Attributes.includes(attribute.text(fields.attribute.name)));
  node.setMessages(fields.node.attribute, [...kept, valueAttribute(newTensor(narrowed, precision))]);
}

function newTensor(narrowed: Narrowed, precision: HalfPrecision): Message {
  const tensor = new Message();
  tensor.setIntegers(fields.tensor.dims, narrowed.dims);
  fill(tensor, narrowed, precision);
  return tensor;
}

/** An initializer with these values. */
export function initializer(name: string, narrowed: Narrowed, precision: HalfPrecision): Message {
  const tensor = newTensor(narrowed, precision);
  tensor.setText(fields.tensor.name, name);
  return tensor;
}

function valueAttribute(tensor: Message): Message {
  const attribute = new Message();
  attribute.setText(fields.attribute.name, 'value');
  attribute.setMessages(fields.attribute.t, [tensor]);
  attribute.setInteger(fields.attribute.type, attributeTypes.tensor);
  return attribute;
}

/** A Constant node with these values. */
export function constantNode(name: string, narrowed: Narrowed, precision: HalfPrecision): Message {
  const node = new Message();
  node.setTexts(fields.node.output, [name]);
  node.setText(fields.node.name, name);
  node.setText(fields.node.opType, 'Constant');
  node.setMessages(fields.node.attribute, [valueAttribute(newTensor(narrowed, precision))]);
  return node;
}
