/** Writes small OpenVINO IR models, as the text of the .xml and the bytes of the .bin, for tests. */

/** Element types as IR writes them in `element_type`. */
export type IrType = string;

/** −1 is a dimension that the run decides; `null` a rank that it decides. */
export type IrShape = readonly number[] | null;

export interface Out {
  readonly layer: number;
  readonly port: number;
  readonly type: IrType;
  readonly shape: IrShape;
}

export interface IrModel {
  readonly xml: Uint8Array;
  readonly bin: Uint8Array;
}

interface OutputSpec {
  readonly type: IrType;
  readonly shape: IrShape;
  readonly name?: string;
}

// What the `precision` of a port says, where it is not simply the type in capitals.
const precisions: Readonly<Record<string, string>> = { f16: 'FP16', f32: 'FP32', f64: 'FP64', boolean: 'BOOL' };

function escapeXml(text: string): string {
  const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (one) => entities[one] as string);
}

function dims(shape: IrShape): string {
  return (shape ?? []).map((dim) => `<dim>${dim}</dim>`).join('');
}

/** Layer by layer: parameters, operations, results; then `build()`. */
export class Ir {
  readonly #layers: string[] = [];
  readonly #edges: string[] = [];
  readonly #bytes: number[] = [];
  #count = 0;

  parameter(name: string, type: IrType, shape: IrShape): Out {
    const text = shape === null ? '...' : shape.map((dim) => (dim < 0 ? '?' : String(dim))).join(',');
    return this.#layer('Parameter', 'opset1', { shape: text, element_type: type }, [], { type, shape, name });
  }

  constant(type: IrType, shape: readonly number[], values: ArrayBufferView): Out {
    const offset = this.#bytes.length;
    this.#bytes.push(...new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    const data = { element_type: type, shape: shape.join(','), offset, size: values.byteLength };
    return this.#layer('Const', 'opset1', data, [], { type, shape });
  }

  /** An operation with one output. `version` is the opset that defines it. */
  op(
    type: string,
    version: string,
    data: Record<string, string | number>,
    inputs: readonly Out[],
    output: OutputSpec,
  ): Out {
    return this.#layer(type, version, data, inputs, output);
  }

  binary(type: 'Add' | 'Multiply', a: Out, b: Out, name?: string): Out {
    return this.op(type, 'opset1', { auto_broadcast: 'numpy' }, [a, b], {
      type: a.type,
      shape: a.shape,
      ...named(name),
    });
  }

  result(from: Out): void {
    this.#layer('Result', 'opset1', {}, [from], null);
  }

  build(): IrModel {
    const text =
      `<?xml version="1.0"?>\n<net name="test" version="11">\n<layers>\n${this.#layers.join('\n')}\n</layers>\n` +
      `<edges>\n${this.#edges.join('\n')}\n</edges>\n</net>\n`;
    return { xml: new TextEncoder().encode(text), bin: Uint8Array.from(this.#bytes) };
  }

  #layer(
    type: string,
    version: string,
    data: Record<string, string | number>,
    inputs: readonly Out[],
    output: OutputSpec | null,
  ): Out {
    const id = this.#count++;
    const attributes = Object.entries(data).map(([key, value]) => ` ${key}="${escapeXml(String(value))}"`);
    const inputPorts = inputs.map((from, port) => {
      this.#edges.push(
        `<edge from-layer="${from.layer}" from-port="${from.port}" to-layer="${id}" to-port="${port}"/>`,
      );
      return `<port id="${port}" precision="${precision(from.type)}">${dims(from.shape)}</port>`;
    });
    const parts = [`<layer id="${id}" name="layer${id}" type="${type}" version="${version}">`];
    if (attributes.length > 0) parts.push(`<data${attributes.join('')}/>`);
    if (inputPorts.length > 0) parts.push(`<input>${inputPorts.join('')}</input>`);
    if (output !== null) {
      // A port may have several names, separated by commas.
      const names = output.name === undefined ? '' : ` names="${escapeXml(output.name.replace(/,/g, '\\,'))}"`;
      const port = `<port id="${inputs.length}" precision="${precision(output.type)}"${names}>${dims(output.shape)}</port>`;
      parts.push(`<output>${port}</output>`);
    }
    this.#layers.push(`${parts.join('')}</layer>`);
    return { layer: id, port: inputs.length, type: output?.type ?? '', shape: output?.shape ?? [] };
  }
}

function precision(type: IrType): string {
  return precisions[type] ?? type.toUpperCase();
}

function named(name: string | undefined): { name?: string } {
  return name === undefined ? {} : { name };
}

/** y = x, through one operation that every type has. */
export function identityIr(type: IrType, shape: IrShape, [x, y]: readonly [string, string] = ['x', 'y']): IrModel {
  const ir = new Ir();
  ir.result(copyOf(ir, ir.parameter(x, type, shape), y));
  return ir.build();
}

/** The same values under another name. */
export function copyOf(ir: Ir, from: Out, name: string): Out {
  return ir.op('Concat', 'opset1', { axis: 0 }, [from], { type: from.type, shape: from.shape, name });
}

/** y = x + number, f32. */
export function addIr(number: number, shape: IrShape): IrModel {
  const ir = new Ir();
  const x = ir.parameter('x', 'f32', shape);
  ir.result(ir.binary('Add', x, ir.constant('f32', [], Float32Array.of(number)), 'y'));
  return ir.build();
}

/** A parameter of a type that tensors of ours cannot carry, made f32. */
export function convertIr(type: IrType): IrModel {
  const ir = new Ir();
  const x = ir.parameter('x', type, [4]);
  ir.result(ir.op('Convert', 'opset1', { destination_type: 'f32' }, [x], { type: 'f32', shape: [4], name: 'y' }));
  return ir.build();
}

/** y = the indices of the elements of x that are not 0: one row a dimension of x. */
export function nonZeroIr(shape: readonly number[]): IrModel {
  const ir = new Ir();
  const x = ir.parameter('x', 'f32', shape);
  const output = { type: 'i64', shape: [shape.length, -1], name: 'y' };
  ir.result(ir.op('NonZero', 'opset3', { output_type: 'i64' }, [x], output));
  return ir.build();
}

/**
 * y = x + 1 by a long way: `steps` products of matrices whose rows sum to 1, one after the other. A device looks between
 * them whether it was told to stop.
 */
export function slowIr(steps: number, size: number): IrModel {
  const ir = new Ir();
  const x = ir.parameter('x', 'f32', [1]);
  const shape = [size, size];
  const spread = ir.op(
    'Broadcast',
    'opset3',
    { mode: 'numpy' },
    [x, ir.constant('i64', [2], BigInt64Array.of(BigInt(size), BigInt(size)))],
    {
      type: 'f32',
      shape,
    },
  );
  const even = ir.op('SoftMax', 'opset8', { axis: 1 }, [spread], { type: 'f32', shape });
  let product = even;
  for (let i = 0; i < steps; i++) {
    product = ir.op('MatMul', 'opset1', { transpose_a: 'false', transpose_b: 'false' }, [product, even], {
      type: 'f32',
      shape,
    });
  }
  const axes = ir.constant('i64', [1], BigInt64Array.of(1n));
  const sums = ir.op('ReduceSum', 'opset1', { keep_dims: 'false' }, [product, axes], { type: 'f32', shape: [size] });
  const all = ir.constant('i64', [1], BigInt64Array.of(0n));
  const one = ir.op('ReduceMax', 'opset1', { keep_dims: 'true' }, [sums, all], { type: 'f32', shape: [1] });
  ir.result(ir.binary('Add', x, one, 'y'));
  return ir.build();
}
