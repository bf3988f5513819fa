// Writes models in OpenVINO's IR format (version 11: an .xml of layers and edges, a .bin of weights), f32 only.
// Format: OpenVINO documentation, "Operation set specifications", opset1.
import fs from 'node:fs';

const count = (shape) => shape.reduce((product, dim) => product * dim, 1);
const chunkElements = 1 << 18;

/** Numbers from −1 to 1, the same for the same seed on every machine (a 32-bit mixing generator, not for secrets). */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 0x80000000 - 1;
  };
}

/** One model being written. Every method that adds a layer returns a value: `{ layer, port, shape }`. */
export class IrWriter {
  #layers = [];
  #edges = [];
  #offset = 0;
  #weights;
  #path;

  constructor(path) {
    this.#path = path;
    this.#weights = fs.openSync(`${path}.bin`, 'w');
  }

  /** How many bytes of weights there are so far. */
  get weightBytes() {
    return this.#offset;
  }

  parameter(name, shape) {
    return this.#add('Parameter', { shape: shape.join(','), element_type: 'f32' }, [], shape, { name, output: name });
  }

  /** Values come one by one from `next()`, and are never all in memory. */
  constant(shape, next) {
    const offset = this.#offset;
    for (let left = count(shape); left > 0; left -= chunkElements) {
      const chunk = new Float32Array(Math.min(left, chunkElements));
      for (let i = 0; i < chunk.length; i++) chunk[i] = next();
      this.#append(new Uint8Array(chunk.buffer));
    }
    return this.#constant('f32', shape, offset);
  }

  integers(values) {
    const offset = this.#offset;
    this.#append(new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer));
    return this.#constant('i64', [values.length], offset);
  }

  /** `attributes` as the operation set names them. */
  layer(type, attributes, inputs, shape, output) {
    return this.#add(type, attributes, inputs, shape, { output });
  }

  /** The model's output, and the end: writes the .xml. */
  finish(value) {
    this.#add('Result', null, [value], null);
    fs.closeSync(this.#weights);
    const xml = [
      '<?xml version="1.0"?>',
      '<net name="bench" version="11">',
      '<layers>',
      ...this.#layers,
      '</layers>',
      '<edges>',
      ...this.#edges,
      '</edges>',
      '</net>',
      '',
    ];
    fs.writeFileSync(`${this.#path}.xml`, xml.join('\n'));
  }

  #append(bytes) {
    fs.writeSync(this.#weights, bytes);
    this.#offset += bytes.length;
  }

  #constant(type, shape, offset) {
    const attributes = { element_type: type, shape: shape.join(','), offset, size: this.#offset - offset };
    return this.#add('Const', attributes, [], shape, { precision: type === 'f32' ? 'FP32' : 'I64' });
  }

  #add(type, attributes, inputs, shape, { name, output, precision = 'FP32' } = {}) {
    const layer = this.#layers.length;
    inputs.forEach((input, i) => {
      this.#edges.push(
        `<edge from-layer="${input.layer}" from-port="${input.port}" to-layer="${layer}" to-port="${i}"/>`,
      );
    });
    const dims = (of) => of.map((dim) => `<dim>${dim}</dim>`).join('');
    const data = attributes
      ? `<data ${Object.entries(attributes)
          .map(([key, value]) => `${key}="${value}"`)
          .join(' ')}/>`
      : '';
    const ports = inputs.map(
      (input, i) => `<port id="${i}" precision="${input.precision}">${dims(input.shape)}</port>`,
    );
    const port = inputs.length;
    const names = output ? ` names="${output}"` : '';
    this.#layers.push(
      [
        `<layer id="${layer}" name="${name ?? `${type.toLowerCase()}_${layer}`}" type="${type}" version="opset1">`,
        data,
        ports.length > 0 ? `<input>${ports.join('')}</input>` : '',
        shape ? `<output><port id="${port}" precision="${precision}"${names}>${dims(shape)}</port></output>` : '',
        '</layer>',
      ].join(''),
    );
    return { layer, port, shape, precision };
  }
}
