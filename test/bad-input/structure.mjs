// Where a model file keeps its structure: the bytes that say what the model is, as opposed to its weights.
//
// Half of all damage goes there, or nearly every damaged file would be a whole model with a few odd weights.
// Sources: protobuf encoding (varint, length-delimited) and onnx.proto; FlatBuffers internals and TFLite's schema.fbs.

const longestText = 256; // longer length-delimited fields without fields in them are weights

function varint(bytes, at) {
  let value = 0;
  for (let shift = 0; shift < 49; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) return null;
    value += (byte & 127) * 2 ** shift;
    if (byte < 128) return { value, next: at };
  }
  return null;
}

/** The fields of one message: {start, body, end, lengthAt}, or null where these bytes are none. */
function fields(bytes, start, end) {
  const found = [];
  for (let at = start; at < end;) {
    const tag = varint(bytes, at);
    if (tag === null || tag.value < 8) return null;
    const lengthAt = tag.next;
    let next;
    let body = lengthAt;
    switch (tag.value % 8) {
      case 0:
        next = varint(bytes, lengthAt)?.next;
        break;
      case 1:
        next = lengthAt + 8;
        break;
      case 2: {
        const length = varint(bytes, lengthAt);
        body = length?.next;
        next = length === null ? undefined : length.next + length.value;
        break;
      }
      case 5:
        next = lengthAt + 4;
        break;
    }
    if (next === undefined || next > end) return null;
    found.push({ start: at, body, end: next, lengthAt, delimited: tag.value % 8 === 2, varint: tag.value % 8 === 0 });
    at = next;
  }
  return found;
}

/** ONNX: ranges of structure, the places of lengths and of numbers, and the fields that can be swapped with their neighbours. */
function onnxStructure(bytes) {
  const ranges = [];
  const lengths = [];
  const values = [];
  const sections = [];
  const visit = (start, end, depth) => {
    const all = fields(bytes, start, end);
    if (all === null) return false;
    all.forEach((field, i) => {
      const { body, end: last } = field;
      if (field.delimited) lengths.push(field.lengthAt);
      if (field.varint) values.push([field.lengthAt, last]);
      if (i > 0 && field.delimited) sections.push([all[i - 1], field].map((one) => [one.start, one.end]));
      const nested = field.delimited && depth < 6 && last - body > 2 && visit(body, last, depth + 1);
      ranges.push([field.start, nested || last - body > longestText ? body : last]);
    });
    return true;
  };
  visit(0, bytes.length, 0);
  return { ranges, lengths, values, sections };
}

/** TFLite: everything but the buffers' data; every aligned word there may be an offset or a length. */
function tfliteStructure(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** The place of a table's field, or null. */
  const field = (table, index) => {
    const vtable = table - view.getInt32(table, true);
    if (4 + 2 * index >= view.getUint16(vtable, true)) return null;
    const offset = view.getUint16(vtable + 4 + 2 * index, true);
    return offset === 0 ? null : table + offset;
  };
  const follow = (at) => at + view.getUint32(at, true);
  const weights = [];
  const buffers = field(follow(0), 4); // Model.buffers
  const list = buffers === null ? null : follow(buffers);
  for (let i = 0; list !== null && i < view.getUint32(list, true); i++) {
    const data = field(follow(list + 4 + 4 * i), 0); // Buffer.data
    if (data === null) continue;
    const start = follow(data);
    weights.push([start + 4, start + 4 + view.getUint32(start, true)]);
  }
  weights.sort(([a], [b]) => a - b);
  const ranges = [];
  let from = 0;
  for (const [start, end] of [...weights, [bytes.length, bytes.length]]) {
    if (start > from) ranges.push([from, start]);
    from = Math.max(from, end);
  }
  const lengths = ranges.flatMap(([start, end]) => {
    const words = [];
    for (let at = (start + 3) & ~3; at + 4 <= end; at += 4) words.push(at);
    return words;
  });
  const sections = ranges.slice(1).map((range, i) => [ranges[i], range]);
  return { ranges, lengths, values: lengths.map((at) => [at, at + 4]), sections };
}

/** IR: the text's numbers and quoted words are its lengths, its elements its sections. */
function irStructure(bytes) {
  const text = Buffer.from(bytes).toString('latin1');
  const places = (pattern) => [...text.matchAll(pattern)].map((match) => [match.index, match.index + match[0].length]);
  const elements = places(/<(layer|edge)\b.*?(<\/layer>|\/>)/g);
  return {
    ranges: [[0, bytes.length]],
    lengths: places(/(?<=[">,])-?\d+(?=["<,])/g),
    words: places(/(?<=")[A-Za-z]\w*(?=")/g),
    sections: elements.slice(1).map((element, i) => [elements[i], element]),
  };
}

/** {ranges, lengths, values, sections} of a model file in one of the formats onnx, tflite and ir. */
export function structureOf(format, bytes) {
  return { onnx: onnxStructure, tflite: tfliteStructure, ir: irStructure }[format](bytes);
}
