/** What the precision pass's tests build models with, and how they read the results: with another protobuf library. */
import { onnx } from 'onnx-proto';
import { convertPrecision } from '../../lib/index.js';
import type { ConvertedModel, PrecisionOptions } from '../../lib/index.js';
import { complaints } from '../support/onnx-check.js';
import type { Folder } from '../support/folder.js';
import { buildOnnx, onnxTypes, type OnnxGraph, type OnnxNode, type OnnxPort } from '../support/onnx.js';

export function f32Port(name: string, shape: readonly number[] = [2, 2]): OnnxPort {
  return { name, type: 'f32', shape };
}

/** `Add(a, b) -> c`. */
export function node(text: string, more: Partial<OnnxNode> = {}): OnnxNode {
  const [, op = '', inputs = '', outputs = ''] = /^(\w+)\((.*)\) -> (.*)$/.exec(text) ?? [];
  const names = (list: string): string[] => (list === '' ? [] : list.split(', '));
  return { op, inputs: names(inputs), outputs: names(outputs), ...more };
}

function typeName(type: number | null | undefined): string {
  return Object.entries(onnxTypes).find(([, number]) => number === type)?.[0] ?? String(type);
}

export interface Facts {
  /** As `node()` takes them; casts as `Cast:f16(x) -> y`. */
  readonly nodes: readonly string[];
  /** Element types by name: of constants, and of ports and values as far as the file tells. */
  readonly constants: Readonly<Record<string, string>>;
  readonly types: Readonly<Record<string, string>>;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export function graphFacts(graph: onnx.IGraphProto): Facts {
  const ports = [...(graph.input ?? []), ...(graph.output ?? []), ...(graph.valueInfo ?? [])];
  return {
    nodes: (graph.node ?? []).map(({ opType, input, output, attribute }) => {
      const to = opType === 'Cast' ? `:${typeName(Number(attribute?.find(({ name }) => name === 'to')?.i))}` : '';
      return `${opType}${to}(${(input ?? []).join(', ')}) -> ${(output ?? []).join(', ')}`;
    }),
    constants: Object.fromEntries((graph.initializer ?? []).map((one) => [one.name!, typeName(one.dataType)])),
    types: Object.fromEntries(ports.map((one) => [one.name!, typeName(one.type?.tensorType?.elemType)])),
    inputs: (graph.input ?? []).map((one) => one.name!),
    outputs: (graph.output ?? []).map((one) => one.name!),
  };
}

export function decoded(model: Uint8Array): onnx.ModelProto {
  return onnx.ModelProto.decode(model);
}

export function facts(model: Uint8Array): Facts {
  return graphFacts(decoded(model).graph!);
}

/** Converts, and remembers what was written: at the end ONNX's own checker looks at all of it. */
export class Converter {
  readonly #written: Uint8Array[] = [];

  constructor(folder: Folder) {
    afterAll(() => {
      const found = complaints(folder, this.#written);
      const about = found.map(
        (complaint, i) => complaint && `${complaint}\n${JSON.stringify(facts(this.#written[i]!))}`,
      );
      expect(about.filter((complaint) => complaint !== null)).toEqual([]);
    });
  }

  convert(model: Uint8Array, options: Partial<PrecisionOptions> = {}): ConvertedModel & { readonly facts: Facts } {
    const converted = convertPrecision(model, { precision: 'f16', ...options });
    this.#written.push(converted.model);
    return { ...converted, facts: facts(converted.model) };
  }

  build(graph: OnnxGraph, options: Partial<PrecisionOptions> = {}, opset?: number) {
    return this.convert(buildOnnx(graph, opset), options);
  }
}
