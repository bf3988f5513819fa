/** Which nodes of a model compute in f16 or bf16 and which stay in f32, and why. */
import { sharedInputs, type Node, type OnnxModel, type Value } from './graph.js';
import {
  followingOperators,
  fusedOperators,
  indifferentOperators,
  movingOperators,
  positionOperators,
  sensitiveOperators,
} from './operators.js';
import { elementTypes } from './schema.js';
import { narrow, type HalfPrecision, type Narrowed } from './weights.js';

export interface Choices {
  readonly precision: HalfPrecision;
  readonly keep: ReadonlySet<string>;
  readonly convert: ReadonlySet<string>;
  readonly keepNodes: ReadonlySet<string>;
}

const { f32 } = elementTypes;

function isCast(node: Node): boolean {
  return node.domain === '' && node.operator === 'Cast';
}

/** A Cast to f32, which may as well be one to the other type. */
function isCastToF32(node: Node): boolean {
  return isCast(node) && node.outputs[0]?.type === f32;
}

export class Decisions {
  readonly #choices: Choices;
  readonly #model: OnnxModel;
  readonly #half = new Set<Node>();
  readonly #reasons = new Map<Node, string>();
  /** Nodes of which the reason is a matter of numbers. */
  readonly #numeric = new Set<Node>();
  readonly #narrowed = new Map<Value, Narrowed | null>();

  constructor(model: OnnxModel, choices: Choices) {
    this.#model = model;
    this.#choices = choices;
    for (const node of model.nodes) this.#choose(node);
    this.#keepFollowing();
    this.#keepQuantized();
    this.#keepMoving();
  }

  isHalf(node: Node): boolean {
    return this.#half.has(node);
  }

  get half(): ReadonlySet<Node> {
    return this.#half;
  }

  /** Of the nodes that take or give f32 and stay. */
  get reasons(): ReadonlyMap<Node, string> {
    return this.#reasons;
  }

  /** The node takes this input in its own float type. */
  isShared(node: Node, input: number): boolean {
    if (node.inputs[input]?.type !== f32) return false;
    return isCastToF32(node) || (node.float !== null && (node.float.inputs?.includes(input) ?? true));
  }

  /** The value is computed in f16 or bf16. */
  isComputedInHalf(value: Value): boolean {
    const { producer, output, type } = value;
    return type === f32 && producer !== null && this.#half.has(producer) && this.#givesShared(producer, output);
  }

  /** A use that takes f32 and f16 alike. */
  isIndifferent(node: Node): boolean {
    if (isCast(node)) return !isCastToF32(node);
    return node.domain === '' && indifferentOperators.has(node.operator);
  }

  /** A constant in f16 or bf16; null for what is none that we can read. */
  narrowed(value: Value): Narrowed | null {
    let found = this.#narrowed.get(value);
    if (found === undefined) {
      found = narrow(value, this.#choices.precision);
      this.#narrowed.set(value, found);
    }
    return found;
  }

  #givesShared(node: Node, output: number): boolean {
    if (isCastToF32(node)) return true;
    return node.float !== null && (node.float.outputs?.includes(output) ?? true);
  }

  #keep(node: Node, reason: string, isNumeric = false): void {
    this.#half.delete(node);
    this.#reasons.set(node, reason);
    if (isNumeric) this.#numeric.add(node);
  }

  #choose(node: Node): void {
    const { operator, domain, inputs, outputs } = node;
    if (![...inputs, ...outputs].some((value) => value?.type === f32)) return;
    if (domain === '' && operator === 'Constant') return;
    if (this.isIndifferent(node)) return;
    if (node.float !== null) {
      const shared = sharedInputs(node).map((index) => inputs[index]?.type);
      // f32 stands beside only: the factors by which whole numbers are resized.
      if (!shared.includes(f32) && !shared.includes(undefined)) return;
    }
    const reason = this.#whyNot(node);
    if (reason === null) this.#half.add(node);
    else this.#keep(node, reason.text, reason.isNumeric);
  }

  #whyNot(node: Node): { readonly text: string; readonly isNumeric: boolean } | null {
    const { precision, keep, convert, keepNodes } = this.#choices;
    const { operator, domain, float, inputs } = node;
    const because = (text: string, isNumeric = false): { text: string; isNumeric: boolean } => ({ text, isNumeric });
    if (!node.graph.known) return because('it is in the body of an operator that is not known');
    if (node.name !== '' && keepNodes.has(node.name)) return because('its name is to be kept', true);
    if (keep.has(operator)) return because('its operator is to be kept', true);
    if (isCastToF32(node)) return null;
    if (float === null) {
      if (domain !== '') return because('its operator is not one of ONNX');
      if (operator === 'QuantizeLinear' || operator === 'DequantizeLinear') return because('its scale stays in f32');
      if (['If', 'Loop', 'Scan'].includes(operator)) return because('it passes f32 in and out of its bodies');
      return because(`${operator} is not computed in ${precision}`);
    }
    if (sensitiveOperators.has(operator) && !convert.has(operator)) {
      return because('its operator is sensitive to rounding', true);
    }
    const since = float[precision];
    if (since === null || this.#model.opset < since) {
      return because(`operator set ${this.#model.opset} has no ${precision} for it`);
    }
    const shared = sharedInputs(node).map((index) => inputs[index]!);
    const unknown = shared.find((value) => value.type === undefined);
    if (unknown !== undefined) return because(`the type of its input '${unknown.name}' is not known`);
    if (shared[0]?.type !== f32) return because('it computes in another type than f32');
    // The mask had the type of the values before operator set 10.
    if (operator === 'Dropout' && this.#model.opset < 10 && node.outputs[1] != null) {
      return because('its mask is used');
    }
    for (const value of shared) {
      const narrowed = value.type === f32 ? this.narrowed(value) : null;
      if (narrowed === null) continue;
      if (narrowed.beyond > 0) {
        return because(`its weights '${value.name}' reach ${narrowed.beyond.toPrecision(3)}`, true);
      }
      if (narrowed.nonzero > 0 && narrowed.vanished === narrowed.nonzero) {
        return because(`its weights '${value.name}' would all become 0`, true);
      }
    }
    return null;
  }

  /** Sums, variances and positions are not rounded by what finishes their computation. */
  #keepFollowing(): void {
    const exact = new Set<Value>();
    for (const node of this.#model.nodes) {
      const { operator, domain } = node;
      const data = node.inputs.filter((value) => value !== null && value.constant === null) as Value[];
      const isFollowing = domain === '' && followingOperators.has(operator);
      const isPassing = isFollowing || isCast(node) || (domain === '' && movingOperators.has(operator));
      const begins = this.#numeric.has(node) || (domain === '' && positionOperators.has(operator));
      if (!begins && !(isPassing && data.length > 0 && data.every((value) => exact.has(value)))) continue;
      for (const output of node.outputs) if (output !== null) exact.add(output);
      if (!begins && isFollowing && this.#half.has(node)) {
        this.#keep(node, 'it finishes what is computed in f32', true);
      }
    }
  }

  /** What takes dequantized values only is what engines compute in integers: a Cast in between would prevent it. */
  #keepQuantized(): void {
    const dequantized = new Set<Value>();
    const computed = new Set<Value>();
    const quantizedNext = new Set<Node>();
    for (const node of [...this.#model.nodes].reverse()) {
      if (node.domain !== '' || !fusedOperators.has(node.operator)) continue;
      const uses = node.outputs.flatMap((value) => value?.uses ?? []);
      const isQuantized = uses.every((use) => use.node.operator === 'QuantizeLinear' || quantizedNext.has(use.node));
      if (isQuantized && uses.length > 0 && !node.outputs.some((value) => value?.pinned)) quantizedNext.add(node);
    }
    for (const node of this.#model.nodes) {
      const outputs = node.outputs.filter((value) => value !== null);
      if (node.operator === 'DequantizeLinear') outputs.forEach((value) => dequantized.add(value));
      if (!this.#half.has(node)) continue;
      const data = node.inputs.filter((value, i) => this.isShared(node, i) && value?.constant === null) as Value[];
      if (data.length === 0) continue;
      if (data.every((value) => dequantized.has(value))) {
        this.#keep(node, 'its inputs are dequantized');
        for (const value of outputs) {
          computed.add(value);
          if (movingOperators.has(node.operator)) dequantized.add(value);
        }
      } else if (quantizedNext.has(node) && data.some((value) => computed.has(value))) {
        this.#keep(node, 'its result is quantized');
        outputs.forEach((value) => computed.add(value));
      }
    }
  }

  /** What only moves values takes the type that saves casts: it stays in f32 between nodes that do. */
  #keepMoving(): void {
    const isMoving = (node: Node): boolean => {
      if (!this.#half.has(node)) return false;
      // A table of weights is to become smaller.
      if (node.operator === 'Gather' && node.inputs[0]?.constant != null) return false;
      return isCastToF32(node) || movingOperators.has(node.operator);
    };
    const seen = new Set<Node>();
    for (const start of this.#model.nodes) {
      if (seen.has(start) || !isMoving(start)) continue;
      const group = [start];
      seen.add(start);
      let [givenHalf, givesF32, givesHalf] = [false, false, false];
      const join = (node: Node): void => {
        if (seen.has(node)) return;
        seen.add(node);
        group.push(node);
      };
      for (const node of group) {
        for (const [input, value] of node.inputs.entries()) {
          const producer = value?.producer;
          if (value == null || producer == null || !this.isShared(node, input)) continue;
          if (!this.isComputedInHalf(value)) continue;
          if (isMoving(producer)) join(producer);
          else givenHalf = true;
        }
        for (const value of node.outputs) {
          if (value?.type !== f32) continue;
          givesF32 ||= value.pinned;
          for (const use of value.uses) {
            const takesHalf = this.#half.has(use.node) && this.isShared(use.node, use.input);
            if (takesHalf && isMoving(use.node)) join(use.node);
            else if (takesHalf) givesHalf = true;
            else if (!this.isIndifferent(use.node)) givesF32 = true;
          }
        }
      }
      if (givenHalf || (givesHalf && !givesF32)) continue;
      for (const node of group) this.#keep(node, 'it only moves values that are f32');
    }
  }
}
