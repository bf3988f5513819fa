/** The precision pass: a model in f32 becomes one that computes in f16 or bf16, with the same inputs and outputs. */
import { InferenceError } from '../errors.js';
import { invalidOption, oneOf } from '../options.js';
import { Decisions } from './decisions.js';
import { modelOf, readModel, type Graph, type Node, type OnnxModel, type Value } from './graph.js';
import { Message } from './message.js';
import { sensitiveOperators } from './operators.js';
import { attributeTypes, elementTypes, fields } from './schema.js';
import { upgradeForBf16 } from './upgrade.js';
import { constantNode, initializer, replaceValues, type HalfPrecision } from './weights.js';

export interface PrecisionOptions {
  /** f16 rounds to 11 bits and ends at 65,504; bf16 rounds to 8 bits and has the range of f32. */
  readonly precision: 'f16' | 'bf16';
  /** Types of operators that stay in f32, such as `Resize`, beside those in `sensitiveOperators`. */
  readonly keep?: readonly string[];
  /** Types of operators that are converted although they are in `sensitiveOperators`. */
  readonly convert?: readonly string[];
  /** Names of nodes that stay in f32. */
  readonly keepNodes?: readonly string[];
  /** The model's folder: weights in files there ("external data") become part of the result. */
  readonly folder?: string;
}

/** A node that takes or gives f32 and was not converted. */
export interface KeptNode {
  /** As in the file, where it may be empty. */
  readonly name: string;
  readonly operator: string;
  /** Why, as half a sentence: `its operator is sensitive to rounding`. */
  readonly reason: string;
}

export interface PrecisionReport {
  readonly precision: 'f16' | 'bf16';
  /** The operator set of the result. */
  readonly operatorSet: number;
  /** Nodes of the model and of the bodies in it. */
  readonly nodes: number;
  /** Nodes that compute in the new precision. */
  readonly converted: number;
  readonly kept: readonly KeptNode[];
  /** Casts that were put in, and casts of the model that have become superfluous and were taken out. */
  readonly casts: { readonly added: number; readonly removed: number };
  /** Constants that are stored in the new precision, the values in them, and how many of those became 0. */
  readonly weights: { readonly tensors: number; readonly values: number; readonly vanished: number };
}

export interface ConvertedModel {
  readonly model: Uint8Array;
  readonly report: PrecisionReport;
}

/** Before it Cast names its type in words, and broadcasting had rules of its own. */
const oldestOpset = 7;
/** The first that casts to bf16. */
const oldestBf16Opset = 13;

const { f32 } = elementTypes;

function castNode(from: string, to: string, type: number): Message {
  const attribute = new Message();
  attribute.setText(fields.attribute.name, 'to');
  attribute.setInteger(fields.attribute.i, type);
  attribute.setInteger(fields.attribute.type, attributeTypes.int);
  const node = new Message();
  node.setTexts(fields.node.input, [from]);
  node.setTexts(fields.node.output, [to]);
  node.setText(fields.node.name, to);
  node.setText(fields.node.opType, 'Cast');
  node.setMessages(fields.node.attribute, [attribute]);
  return node;
}

class Pass {
  readonly #model: OnnxModel;
  readonly #precision: HalfPrecision;
  readonly #decisions: Decisions;
  /** What a value is called where it is wanted in f32, and where in the new type. */
  readonly #f32Names = new Map<Value, string>();
  readonly #halfNames = new Map<Value, string>();
  /** Of other types: values of casts that were taken out. */
  readonly #aliases = new Map<Value, string>();
  readonly #atStart = new Map<Graph, Message[]>();
  readonly #after = new Map<Node, Message[]>();
  readonly #initializers = new Map<Graph, Message[]>();
  readonly #removed = new Set<Node>();
  readonly #retyped = new Map<Graph, Set<string>>();
  #added = 0;
  #tensors = 0;
  #values = 0;
  #vanished = 0;

  constructor(model: OnnxModel, precision: HalfPrecision, decisions: Decisions) {
    this.#model = model;
    this.#precision = precision;
    this.#decisions = decisions;
  }

  run(): ConvertedModel {
    const { graphs, nodes, message } = this.#model;
    for (const graph of graphs) {
      for (const value of graph.values.values()) if (value.producer === null) this.#place(value);
    }
    for (const node of nodes) this.#rewrite(node);
    if (this.#decisions.half.size > 0) {
      for (const graph of graphs) this.#write(graph);
      this.#dropInitializersFromInputs();
    }
    return { model: message.encode(), report: this.#report() };
  }

  #report(): PrecisionReport {
    const kept = [...this.#decisions.reasons].map(([{ name, operator }, reason]) => ({ name, operator, reason }));
    return {
      precision: this.#precision,
      operatorSet: this.#model.opset,
      nodes: this.#model.nodes.length,
      converted: this.#decisions.half.size - [...this.#removed].filter((node) => this.#decisions.isHalf(node)).length,
      kept,
      casts: { added: this.#added, removed: this.#removed.size },
      weights: { tensors: this.#tensors, values: this.#values, vanished: this.#vanished },
    };
  }

  #behind(value: Value, message: Message): void {
    const { producer, graph } = value;
    const list = producer === null ? listOf(this.#atStart, graph) : listOf(this.#after, producer);
    list.push(message);
  }

  #cast(value: Value, from: string, to: string, type: number): void {
    this.#behind(value, castNode(from, to, type));
    this.#added++;
  }

  #retype(value: Value): void {
    let names = this.#retyped.get(value.graph);
    if (names === undefined) this.#retyped.set(value.graph, (names = new Set()));
    names.add(value.name);
  }

  /** Which types of a value are wanted. */
  #wanted(value: Value): { readonly f32: boolean; readonly half: boolean } {
    const wanted = { f32: value.pinned, half: false };
    for (const { node, input } of value.uses) {
      if (this.#decisions.isHalf(node) && this.#decisions.isShared(node, input)) wanted.half = true;
      else if (!this.#decisions.isIndifferent(node)) wanted.f32 = true;
    }
    return wanted;
  }

  /** Decides on the names of a value and puts in what they need. `source` is what it is an alias of, in the new type. */
  #place(value: Value, source?: string): void {
    if (value.type !== f32) return;
    const { name } = value;
    const half = elementTypes[this.#precision];
    const wanted = this.#wanted(value);
    if (source !== undefined || this.#decisions.isComputedInHalf(value)) {
      const halfName = source ?? (value.pinned ? this.#model.names.fresh(`${name}_${this.#precision}`) : name);
      this.#halfNames.set(value, halfName);
      if (halfName === name) this.#retype(value);
      if (!wanted.f32) return;
      const f32Name = halfName === name ? this.#model.names.fresh(`${name}_f32`) : name;
      this.#f32Names.set(value, f32Name);
      this.#cast(value, halfName, f32Name, f32);
      return;
    }
    this.#f32Names.set(value, name);
    if (!wanted.half) return;
    const narrowed = value.constant === null ? null : this.#decisions.narrowed(value);
    if (narrowed === null) {
      const halfName = this.#model.names.fresh(`${name}_${this.#precision}`);
      this.#halfNames.set(value, halfName);
      this.#cast(value, name, halfName, half);
      return;
    }
    this.#tensors++;
    this.#values += narrowed.count;
    this.#vanished += narrowed.vanished;
    if (!wanted.f32) {
      replaceValues(value, narrowed, this.#precision);
      this.#halfNames.set(value, name);
      this.#f32Names.delete(value);
      this.#retype(value);
      return;
    }
    const halfName = this.#model.names.fresh(`${name}_${this.#precision}`);
    this.#halfNames.set(value, halfName);
    if (value.producer !== null) this.#behind(value, constantNode(halfName, narrowed, this.#precision));
    else listOf(this.#initializers, value.graph).push(initializer(halfName, narrowed, this.#precision));
  }

  #nameFor(node: Node, input: number, value: Value): string {
    const [inF32, inHalf] = [this.#f32Names.get(value), this.#halfNames.get(value)];
    if (value.type !== f32) return this.#aliases.get(value) ?? value.name;
    if (this.#decisions.isHalf(node) && this.#decisions.isShared(node, input)) return inHalf ?? value.name;
    // A value that is computed in the new type has its own name in f32 only where somebody wants that.
    if (this.#decisions.isIndifferent(node))
      return (this.#decisions.isComputedInHalf(value) ? inHalf : inF32) ?? inHalf ?? value.name;
    return inF32 ?? value.name;
  }

  /** Where a Cast would give the type that it gets, the name of that. */
  #superfluous(node: Node): string | undefined {
    const [from, to] = [node.inputs[0], node.outputs[0]];
    if (node.domain !== '' || node.operator !== 'Cast' || from == null || to == null || to.pinned) return undefined;
    const half = elementTypes[this.#precision];
    const gives = this.#decisions.isHalf(node) ? half : to.type;
    if (gives !== half) return undefined;
    if (from.type === half) return this.#aliases.get(from) ?? from.name;
    return from.type === f32 && this.#decisions.isComputedInHalf(from) ? this.#halfNames.get(from) : undefined;
  }

  #rewrite(node: Node): void {
    const { message, inputs, outputs } = node;
    const source = this.#superfluous(node);
    if (source !== undefined) {
      const value = outputs[0]!;
      this.#removed.add(node);
      if (value.type === f32) this.#place(value, source);
      else this.#aliases.set(value, source);
      return;
    }
    for (const value of outputs) if (value !== null) this.#place(value);
    const read = inputs.map((value, i) => (value === null ? '' : this.#nameFor(node, i, value)));
    if (read.some((name, i) => name !== (inputs[i]?.name ?? ''))) message.setTexts(fields.node.input, read);
    const written = outputs.map((value) => {
      if (value === null) return '';
      return (this.#decisions.isComputedInHalf(value) ? this.#halfNames.get(value) : undefined) ?? value.name;
    });
    if (written.some((name, i) => name !== (outputs[i]?.name ?? ''))) message.setTexts(fields.node.output, written);
    if (node.operator === 'Cast' && this.#decisions.isHalf(node)) {
      const attributes = message.messages(fields.node.attribute);
      const to = attributes.find((attribute) => attribute.text(fields.attribute.name) === 'to');
      to?.setInteger(fields.attribute.i, elementTypes[this.#precision]);
    }
  }

  #write(graph: Graph): void {
    const { message } = graph;
    const before = this.#atStart.get(graph) ?? [];
    const nodes = graph.nodes.flatMap((node) => [
      ...(this.#removed.has(node) ? [] : [node.message]),
      ...(this.#after.get(node) ?? []),
    ]);
    if (
      before.length > 0 ||
      nodes.length !== graph.nodes.length ||
      graph.nodes.some((node) => this.#removed.has(node))
    ) {
      message.setMessages(fields.graph.node, [...before, ...nodes]);
    }
    const added = this.#initializers.get(graph);
    if (added !== undefined) {
      message.setMessages(fields.graph.initializer, [...message.messages(fields.graph.initializer), ...added]);
    }
    const retyped = this.#retyped.get(graph);
    for (const info of message.messages(fields.graph.valueInfo)) {
      if (retyped?.has(info.text(fields.valueInfo.name)) !== true) continue;
      const type = info.message(fields.valueInfo.type)?.message(fields.type.tensor);
      type?.setInteger(fields.tensorType.elemType, elementTypes[this.#precision]);
    }
  }

  /** They would still be f32 there. The format asks for them until its version 4 only. */
  #dropInitializersFromInputs(): void {
    const { message, irVersion, graphs } = this.#model;
    for (const graph of graphs) {
      graph.message.filter(fields.graph.input, (input) => {
        const value = graph.values.get(input.text(fields.valueInfo.name));
        return value?.constant == null;
      });
    }
    if (irVersion < 4) message.setInteger(fields.model.irVersion, 4);
  }
}

function listOf<Key>(map: Map<Key, Message[]>, key: Key): Message[] {
  let list = map.get(key);
  if (list === undefined) map.set(key, (list = []));
  return list;
}

function namesOption(name: string, value: unknown): ReadonlySet<string> {
  if (value === undefined) return new Set();
  if (!Array.isArray(value) || value.some((one) => typeof one !== 'string')) {
    throw invalidOption(name, 'a list of names', value);
  }
  return new Set(value as string[]);
}

/**
 * Makes an ONNX model in f32 compute in f16 or bf16. Its inputs and outputs stay as they are, f32 too: Cast nodes stand
 * behind and before them, and around nodes that stay in f32. Those are the `sensitiveOperators`, what `keep` and
 * `keepNodes` name, what ONNX does not define in the new type, what computes positions and shapes, what takes dequantized
 * values, and, in f16, what has weights beyond ±65,504: a weight never becomes infinite. Weights are rounded to the nearest
 * value, ties to even. Initializers are no longer among the inputs, where some exporters list them too. Bodies of If, Loop
 * and Scan are converted too; their own inputs and outputs stay in f32. A model's functions and operators of other domains
 * stay as they are. For bf16 the operator set becomes 22 where no node's meaning depends on it: earlier ones have no
 * convolution in bf16.
 *
 * Throws `ERR_INVALID_MODEL` for what is no ONNX model, a damaged one or one larger than 2 GiB, also for files of weights that
 * are missing, too short or not in `folder`, `ERR_UNSUPPORTED` where weights are in a file and `folder` is not given and for
 * operator sets before 7 (before 13 for bf16), `ERR_INVALID_ARGUMENT` for a wrong
 * option, also for a name in `keepNodes` that no node has. `model` is read only.
 */
export function convertPrecision(model: Uint8Array, options: PrecisionOptions): ConvertedModel {
  if (!ArrayBuffer.isView(model) || (model as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] !== 'Uint8Array') {
    throw invalidOption('model', 'the bytes of a model, a Uint8Array', model);
  }
  const precision = oneOf('precision', options?.precision ?? null, ['f16', 'bf16'], 'f16');
  const keep = namesOption('keep', options.keep);
  const convert = namesOption('convert', options.convert);
  const keepNodes = namesOption('keepNodes', options.keepNodes);
  const insensitive = [...convert].find((operator) => !sensitiveOperators.has(operator));
  if (insensitive !== undefined) {
    throw invalidOption('convert', `of operators in the list: ${[...sensitiveOperators].join(', ')}`, insensitive);
  }
  const { folder } = options;
  if (folder !== undefined && (typeof folder !== 'string' || folder === '')) {
    throw invalidOption('folder', 'the path of a folder', folder);
  }
  let read = readModel(model, folder);
  const oldest = precision === 'f16' ? oldestOpset : oldestBf16Opset;
  if (read.opset < oldest) {
    throw new InferenceError(
      'ERR_UNSUPPORTED',
      `The model is of operator set ${read.opset}; ${precision} needs ${oldest} or newer.`,
      { remedy: `Convert it first: onnx.version_converter.convert_version(model, ${oldest}) in Python.` },
    );
  }
  const names = new Set(read.nodes.map((node) => node.name));
  for (const name of keepNodes) {
    if (names.has(name)) continue;
    throw new InferenceError('ERR_INVALID_ARGUMENT', `The model has no node '${name}'.`, {
      remedy: 'Name nodes of `keepNodes` as the model does; a viewer such as Netron shows the names.',
    });
  }
  if (precision === 'bf16' && upgradeForBf16(read)) read = modelOf(read.message);
  const decisions = new Decisions(read, { precision, keep, convert, keepNodes });
  return new Pass(read, precision, decisions).run();
}
