/** A model's graphs as nodes and values: who computes what, who uses it, and the element type of each value. */
import { InferenceError } from '../errors.js';
import { takeIn } from './external.js';
import { damaged, deepestGraph, messageOf, type Message } from './message.js';
import { floatOperators, outputType, type FloatOperator, type OutputType } from './operators.js';
import { elementTypes, fields } from './schema.js';

export interface Use {
  readonly node: Node;
  readonly input: number;
}

/** One tensor: an input of a graph, a constant, or what a node computes. */
export interface Value {
  readonly name: string;
  readonly graph: Graph;
  /** The number of its element type; undefined where the file does not tell, or where it is no tensor. */
  readonly type: number | undefined;
  readonly producer: Node | null;
  readonly output: number;
  /** An initializer's message; of a Constant node the node's. */
  readonly constant: Message | null;
  readonly uses: Use[];
  /** Its name and type are seen from outside: an output of a graph. */
  pinned: boolean;
}

export interface Node {
  readonly message: Message;
  readonly graph: Graph;
  readonly name: string;
  readonly operator: string;
  /** '' for ONNX's own, also where the file writes `ai.onnx`. */
  readonly domain: string;
  /** null for an optional input that is left out. */
  readonly inputs: readonly (Value | null)[];
  readonly outputs: readonly (Value | null)[];
  /** How it takes f16 and bf16; null where we do not know it. */
  readonly float: FloatOperator | null;
}

export interface Graph {
  readonly message: Message;
  readonly parent: Graph | null;
  readonly values: Map<string, Value>;
  readonly nodes: Node[];
  /** False for the bodies of nodes that we do not know. */
  readonly known: boolean;
}

/** Every name of a value in the file. */
export class Names {
  readonly #taken = new Set<string>();
  /** Where the search for a free number goes on. */
  readonly #next = new Map<string, number>();

  add(name: string): void {
    this.#taken.add(name);
  }

  /** The name, with a number where it is taken; it is taken then. */
  fresh(name: string): string {
    let [unique, number] = [name, this.#next.get(name) ?? 2];
    while (this.#taken.has(unique)) unique = `${name}_${number++}`;
    this.#next.set(name, number);
    this.add(unique);
    return unique;
  }
}

export interface OnnxModel {
  readonly message: Message;
  readonly opset: number;
  readonly irVersion: number;
  /** The model's graph first, each before the bodies in it. */
  readonly graphs: readonly Graph[];
  /** Of all graphs, each after those whose results it uses. */
  readonly nodes: readonly Node[];
  readonly names: Names;
}

const controlFlow = new Set(['If', 'Loop', 'Scan']);

/** Attributes by name. */
export function attributeOf(node: Message, name: string): Message | undefined {
  return node.messages(fields.node.attribute).find((attribute) => attribute.text(fields.attribute.name) === name);
}

class Reader {
  readonly graphs: Graph[] = [];
  readonly nodes: Node[] = [];
  readonly names = new Names();
  readonly opset: number;
  readonly irVersion: number;
  readonly #functions: ReadonlySet<string>;

  constructor(model: Message) {
    this.irVersion = model.integer(fields.model.irVersion);
    const sets = model.messages(fields.model.opsetImport);
    const own = sets.filter((set) => ['', 'ai.onnx'].includes(set.text(fields.opset.domain)));
    // Without one it is operator set 1: what the format says.
    this.opset = Math.max(1, ...own.map((set) => set.integer(fields.opset.version)));
    this.#functions = new Set(
      model
        .messages(fields.model.functions)
        .map((one) => `${one.text(fields.function.domain)}.${one.text(fields.function.name)}`),
    );
  }

  read(message: Message, parent: Graph | null, known: boolean, depth: number): Graph {
    if (depth > deepestGraph) throw damaged(`graphs are nested more than ${deepestGraph} deep`);
    const graph: Graph = { message, parent, values: new Map(), nodes: [], known };
    this.graphs.push(graph);
    const tensors = message.messages(fields.graph.initializer);
    const stored = new Map(tensors.map((tensor) => [tensor.text(fields.tensor.name), tensor] as const));
    if (stored.size < tensors.length) throw damaged('it has two initializers of one name');
    for (const input of message.messages(fields.graph.input)) {
      const name = input.text(fields.valueInfo.name);
      // Engines take an initializer that is an input too for a constant, which until version 4 of the format it was.
      if (!stored.has(name)) this.#add(value(name, graph, tensorType(input)));
    }
    for (const [name, tensor] of stored) {
      this.#add({ ...value(name, graph, tensor.integer(fields.tensor.dataType)), constant: tensor });
    }
    for (const sparse of message.messages(fields.graph.sparseInitializer)) {
      const tensor = sparse.message(fields.sparseTensor.values);
      this.#add(value(tensor?.text(fields.tensor.name) ?? '', graph, undefined));
    }
    const told = new Map<string, number | undefined>();
    for (const field of [fields.graph.valueInfo, fields.graph.output]) {
      for (const info of message.messages(field)) told.set(info.text(fields.valueInfo.name), tensorType(info));
    }
    for (const node of message.messages(fields.graph.node)) this.#node(node, graph, told, depth);
    for (const output of message.messages(fields.graph.output)) {
      const found = find(graph, output.text(fields.valueInfo.name));
      if (found === undefined) throw damaged(`nothing computes its output '${output.text(fields.valueInfo.name)}'`);
      found.pinned = true;
    }
    return graph;
  }

  #add(one: Value): void {
    if (one.graph.values.has(one.name)) throw damaged(`it has two tensors of the name '${one.name}'`);
    one.graph.values.set(one.name, one);
    this.names.add(one.name);
  }

  #node(message: Message, graph: Graph, told: ReadonlyMap<string, number | undefined>, depth: number): void {
    const operator = message.text(fields.node.opType);
    const written = message.text(fields.node.domain);
    const domain = written === 'ai.onnx' ? '' : written;
    const isOwn = domain === '' && !this.#functions.has(`${written}.${operator}`);
    const inputs = message.texts(fields.node.input).map((name) => {
      if (name === '') return null;
      const found = find(graph, name);
      // A cycle is this too: nodes stand after those whose results they use.
      if (found === undefined) throw damaged(`a node '${operator}' uses '${name}' before anything computes it`);
      return found;
    });
    const bodies: Graph[] = [];
    for (const attribute of message.messages(fields.node.attribute)) {
      for (const field of [fields.attribute.g, fields.attribute.graphs]) {
        for (const body of attribute.messages(field)) {
          bodies.push(this.read(body, graph, graph.known && isOwn && controlFlow.has(operator), depth + 1));
        }
      }
    }
    const outputs: (Value | null)[] = [];
    const node: Node = {
      message,
      graph,
      name: message.text(fields.node.name),
      operator,
      domain,
      inputs,
      outputs,
      float: isOwn ? (floatOperators.get(operator) ?? null) : null,
    };
    const types = isOwn && controlFlow.has(operator) ? bodyTypes(operator, bodies[0]) : [];
    for (const [output, name] of message.texts(fields.node.output).entries()) {
      if (name === '') {
        outputs.push(null);
        continue;
      }
      const computed = types[output] ?? (isOwn ? typeOf(node, output) : undefined);
      const one: Value = {
        ...value(name, graph, computed ?? told.get(name)),
        producer: node,
        output,
        constant: isOwn && operator === 'Constant' ? message : null,
      };
      this.#add(one);
      outputs.push(one);
    }
    for (const [input, used] of inputs.entries()) used?.uses.push({ node, input });
    graph.nodes.push(node);
    this.nodes.push(node);
  }
}

function value(name: string, graph: Graph, type: number | undefined): Value {
  return { name, graph, type, producer: null, output: 0, constant: null, uses: [], pinned: false };
}

/** The value that a name means in a graph: its own, or one of those around it. */
function find(graph: Graph, name: string): Value | undefined {
  for (let scope: Graph | null = graph; scope !== null; scope = scope.parent) {
    const found = scope.values.get(name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Of a port; undefined where it is no tensor or nothing is said. */
function tensorType(info: Message): number | undefined {
  const type = info.message(fields.valueInfo.type)?.message(fields.type.tensor)?.integer(fields.tensorType.elemType);
  return type === 0 ? undefined : type;
}

/** The inputs that share the node's float type, as far as it has them. */
export function sharedInputs({ float, inputs }: Node): number[] {
  return (float?.inputs ?? [...inputs.keys()]).filter((index) => inputs[index] != null);
}

function constantType(node: Node): number | undefined {
  const tensor = attributeOf(node.message, 'value')?.message(fields.attribute.t);
  if (tensor !== undefined) return tensor.integer(fields.tensor.dataType);
  if (attributeOf(node.message, 'value_float') ?? attributeOf(node.message, 'value_floats')) return elementTypes.f32;
  if (attributeOf(node.message, 'value_int') ?? attributeOf(node.message, 'value_ints')) return elementTypes.i64;
  return undefined;
}

function integerOf(node: Message, name: string): number | undefined {
  return attributeOf(node, name)?.integer(fields.attribute.i);
}

/** The element type of an output of a node of ONNX's own; undefined where we do not know it. */
function typeOf(node: Node, output: number): number | undefined {
  const { operator, inputs, float, message } = node;
  if (operator === 'Constant') return output === 0 ? constantType(node) : undefined;
  if (operator === 'ConstantOfShape') return output === 0 ? (constantType(node) ?? elementTypes.f32) : undefined;
  if (operator === 'Cast') return output === 0 ? integerOf(message, 'to') : undefined;
  if (float !== null && (float.outputs?.includes(output) ?? true)) {
    return (float.inputs === null ? inputs.find((input) => input !== null) : inputs[float.inputs[0] ?? 0])?.type;
  }
  const resolved = (type: OutputType | undefined): number | undefined => {
    if (typeof type === 'string') return inputs[Number(type.slice(1))]?.type;
    if (typeof type !== 'object') return type;
    return integerOf(message, type.attribute) ?? resolved(type.otherwise);
  };
  return resolved(outputType(operator, output));
}

/** The types that the outputs of control flow have, which are those of its body. */
function bodyTypes(operator: string, body: Graph | undefined): (number | undefined)[] {
  if (body === undefined) return [];
  const outputs = body.message.messages(fields.graph.output);
  const types = outputs.map((output) => find(body, output.text(fields.valueInfo.name))?.type);
  return operator === 'Loop' ? types.slice(1) : types; // after the condition
}

/**
 * Reads a model, with the weights in files beside it where `folder` is given. Throws `ERR_INVALID_MODEL` for what is none,
 * for a damaged one, and for one with a cycle; the bytes must not change as long as the model is used.
 */
export function readModel(bytes: Uint8Array, folder?: string): OnnxModel {
  const message = messageOf(bytes);
  if (folder !== undefined) takeIn(message, folder);
  return modelOf(message);
}

/** Reads a model's message, again where it has been changed. */
export function modelOf(message: Message): OnnxModel {
  const graph = message.message(fields.model.graph);
  if (graph === undefined) throw damaged('it has no graph');
  if (message.has(fields.model.trainingInfo)) {
    throw new InferenceError('ERR_UNSUPPORTED', 'The model is one for training.', {
      remedy: 'Export it for inference.',
    });
  }
  const reader = new Reader(message);
  reader.read(graph, null, true, 0);
  const { opset, irVersion, graphs, nodes, names } = reader;
  return { message, opset, irVersion, graphs, nodes, names };
}
