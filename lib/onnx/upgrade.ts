/** Operator sets 13 to 21 made 22, the first that defines convolutions and others in bf16. */
import { attributeOf, type Names, type Node, type OnnxModel } from './graph.js';
import { Message } from './message.js';
import { attributeTypes, elementTypes, fields } from './schema.js';

const newest = 22;
const oldest = 13;
/** The version of the format that belongs to it. */
const irVersion = 10;

/** Since when the axes are an input. */
const axesAsInput = 18;
const reductions = /^Reduce(L1|L2|LogSum|LogSumExp|Max|Mean|Min|Prod|SumSquare)$/;

/** The interpolations that GridSample has renamed in operator set 20. */
const renamedModes: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };

/** A node's meaning would change, and it cannot be written in the newer way. */
function isStuck({ operator, outputs }: Node, opset: number): boolean {
  if (operator === 'DFT') return opset < 20;
  if (operator === 'GroupNormalization') return opset < 21;
  // Other statistics than in operator set 13.
  return operator === 'BatchNormalization' && opset < 14 && outputs.some((value, i) => i > 0 && value !== null);
}

function setAttributes(node: Message, attributes: readonly Message[]): void {
  node.setMessages(fields.node.attribute, attributes);
}

function without(node: Message, name: string): Message[] {
  return node.messages(fields.node.attribute).filter((attribute) => attribute.text(fields.attribute.name) !== name);
}

function attribute(name: string, type: number): Message {
  const message = new Message();
  message.setText(fields.attribute.name, name);
  message.setInteger(fields.attribute.type, type);
  return message;
}

function rewrite(node: Node, opset: number, names: Names): void {
  const { message, operator, inputs, outputs } = node;
  if (reductions.test(operator) && opset < axesAsInput) {
    const axes = attributeOf(message, 'axes')?.integers(fields.attribute.ints);
    if (axes === undefined || axes.length === 0) return;
    const tensor = new Message();
    const name = names.fresh(`${outputs[0]?.name ?? ''}_axes`);
    tensor.setIntegers(fields.tensor.dims, [axes.length]);
    tensor.setInteger(fields.tensor.dataType, elementTypes.i64);
    tensor.setIntegers(fields.tensor.int64Data, axes);
    tensor.setText(fields.tensor.name, name);
    const { message: graph } = node.graph;
    graph.setMessages(fields.graph.initializer, [...graph.messages(fields.graph.initializer), tensor]);
    setAttributes(message, without(message, 'axes'));
    message.setTexts(fields.node.input, [...message.texts(fields.node.input), name]);
  } else if (operator === 'Split' && opset < 18 && inputs[1] == null) {
    const count = attribute('num_outputs', attributeTypes.int);
    count.setInteger(fields.attribute.i, outputs.length);
    setAttributes(message, [...message.messages(fields.node.attribute), count]);
  } else if (operator === 'RoiAlign' && opset < 16) {
    const mode = attribute('coordinate_transformation_mode', attributeTypes.text);
    mode.setText(fields.attribute.s, 'output_half_pixel');
    setAttributes(message, [...message.messages(fields.node.attribute), mode]);
  } else if (operator === 'GridSample' && opset < 20) {
    const mode = attributeOf(message, 'mode');
    const renamed = renamedModes[mode?.text(fields.attribute.s) ?? ''];
    if (renamed !== undefined) mode?.setText(fields.attribute.s, renamed);
  }
}

/**
 * Raises the operator set in place where that lets more nodes compute in bf16 and changes no node's meaning. Returns whether
 * it did: the model has to be read again then.
 */
export function upgradeForBf16(model: OnnxModel): boolean {
  const { opset, nodes, message } = model;
  if (opset < oldest || opset >= newest) return false;
  const own = nodes.filter(({ domain }) => domain === '');
  const gains = own.some(({ float }) => float?.bf16 != null && float.bf16 > opset && float.bf16 <= newest);
  // Functions import operator sets of their own.
  if (!gains || message.has(fields.model.functions) || own.some((node) => isStuck(node, opset))) return false;
  for (const node of own) rewrite(node, opset, model.names);
  for (const set of message.messages(fields.model.opsetImport)) {
    if (['', 'ai.onnx'].includes(set.text(fields.opset.domain))) set.setInteger(fields.opset.version, newest);
  }
  if (model.irVersion < irVersion) message.setInteger(fields.model.irVersion, irVersion);
  return true;
}
