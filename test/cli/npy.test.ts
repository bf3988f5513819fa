// .npy files: what NumPy itself wrote, our own bytes against NumPy's, and files that lie.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { encodeNpy, npyDescr, parseNpy, readNpy, writeNpy, type NpyArray } from '../../lib/cli/npy.js';
import type { InferenceError } from '../../lib/errors.js';
import type { Dtype, TensorData } from '../../lib/types.js';

/** Written by NumPy 2.2.6 (numpy.lib.format.write_array); the two with a version by that version. */
const numpy = {
  f4: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAA/AACAvwAAAEAAAEBAAACAQAAAoEA=',
  f8BigEndian:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo/+AAAAAAAAMACAAAAAAAA',
  f2: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPGYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDMsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAPAA4AMA=',
  i4Fortran:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAwAAAAEAAAAEAAAAAgAAAAUAAAA=',
  u2FortranBigEndian:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPnUyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMywgNCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAMAAQAEAAIABQAAQANAAUAEQAJABUAAgAOAAYAEgAKABYAAwAPAAcAEwALABc=',
  i8Version2:
    'k05VTVBZAgB0AAAAeydkZXNjcic6ICc8aTgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr//////////wEAAAAAACAA',
  u8Version3:
    'k05VTVBZAwB0AAAAeydkZXNjcic6ICc8dTgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAr//////////w==',
  bool: 'k05VTVBZAQB2AHsnZGVzY3InOiAnfGIxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAA==',
  scalar:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGkyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoHAA==',
  empty:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnfHUxJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDAsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo=',
  // numpy.array([1, None], dtype=object): pickled
  object:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnfE8nLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqABJWNAAAAAAAAAIwWbnVtcHkuX2NvcmUubXVsdGlhcnJheZSMDF9yZWNvbnN0cnVjdJSTlIwFbnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwKFlGgDjAVkdHlwZZSTlIwCTziUiYiHlFKUKEsDjAF8lE5OTkr/////Sv////9LP3SUYoldlChLAU5ldJRiLg==',
  struct:
    'k05VTVBZAQB2AHsnZGVzY3InOiBbKCdhJywgJzxmNCcpLCAoJ2InLCAnPGk0JyldLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAAAAAAAAAAAA',
  complex:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGM4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAAAA==',
  text: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAYgAAAA==',
  date: 'k05VTVBZAQB2AHsnZGVzY3InOiAnPE04W0RdJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDEsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIApWRwAAAAAAAA==',
} as const;

function fromNumpy(name: keyof typeof numpy): NpyArray {
  return parseNpy(Buffer.from(numpy[name], 'base64'), `${name}.npy`);
}

/** A file with this header, whatever it says. */
function file(header: string, body: Uint8Array = new Uint8Array(0), version = 1): Buffer {
  const prefix = Buffer.alloc(version === 1 ? 10 : 12);
  prefix.write('\x93NUMPY', 'latin1');
  prefix[6] = version;
  if (version === 1) prefix.writeUInt16LE(header.length, 8);
  else prefix.writeUInt32LE(header.length, 8);
  return Buffer.concat([prefix, Buffer.from(header, 'latin1'), body]);
}

function headerOf(descr: string, shape: string, fortran = 'False'): string {
  return `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
}

function codeAndMessage(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    const { code, message, remedy } = error as InferenceError;
    expect(remedy).not.toBe('');
    return `${code} ${message}`;
  }
  return 'no error';
}

describe('what NumPy wrote', () => {
  test.each<[keyof typeof numpy, Dtype, number[], TensorData]>([
    ['f4', 'f32', [2, 3], Float32Array.of(0.5, -1, 2, 3, 4, 5)],
    ['f8BigEndian', 'f64', [2], Float64Array.of(1.5, -2.25)],
    ['f2', 'f16', [3], Uint16Array.of(0x3c00, 0x3800, 0xc000)],
    ['i4Fortran', 'i32', [2, 3], Int32Array.of(0, 1, 2, 3, 4, 5)],
    ['u2FortranBigEndian', 'u16', [2, 3, 4], Uint16Array.from({ length: 24 }, (_, i) => i)],
    ['i8Version2', 'i64', [2], BigInt64Array.of(-1n, 2n ** 53n + 1n)],
    ['u8Version3', 'u64', [1], BigUint64Array.of(2n ** 64n - 1n)],
    ['bool', 'bool', [2], Uint8Array.of(1, 0)],
    ['scalar', 'i16', [], Int16Array.of(7)],
    ['empty', 'u8', [0, 3], new Uint8Array(0)],
  ])('%s', (name, dtype, shape, data) => {
    expect(fromNumpy(name)).toEqual({ dtype, shape, data });
  });

  test('our bytes are NumPy’s', () => {
    for (const name of ['f4', 'f2', 'bool', 'scalar', 'empty'] as const) {
      expect(encodeNpy(fromNumpy(name)).toString('base64')).toBe(numpy[name]);
    }
  });

  test('elements that are not aligned within the file', () => {
    const bytes = Buffer.concat([
      Buffer.from([0]),
      file(headerOf("'<f8'", '(1,)'), Buffer.from(Float64Array.of(2).buffer)),
    ]);
    expect(parseNpy(bytes.subarray(1)).data).toEqual(Float64Array.of(2));
  });

  test('headers of older writers: double quotes, other order, Python 2’s long, no last comma', () => {
    const header = `{"shape": (2L, 1), "fortran_order": False, "descr": "=i2"}`;
    expect(parseNpy(file(header, Uint8Array.of(1, 0, 2, 0)))).toEqual({
      dtype: 'i16',
      shape: [2, 1],
      data: Int16Array.of(1, 2),
    });
  });

  test('a bool is 0 or 1, whatever the byte', () => {
    expect(parseNpy(file(headerOf("'|b1'", '(3,)'), Uint8Array.of(0, 1, 255))).data).toEqual(Uint8Array.of(0, 1, 1));
  });
});

describe('round trips', () => {
  const data: Record<Exclude<Dtype, 'bf16'>, TensorData> = {
    f16: Uint16Array.of(0x3c00, 0xfc00, 0x7e01, 1, 2, 3),
    f32: Float32Array.of(0, -0, NaN, Infinity, 1e-40, 3),
    f64: Float64Array.of(Number.MAX_VALUE, -0, NaN, 5e-324, 1, 2),
    i8: Int8Array.of(-128, 127, 0, 1, 2, 3),
    u8: Uint8Array.of(255, 0, 1, 2, 3, 4),
    i16: Int16Array.of(-32768, 32767, 0, 1, 2, 3),
    u16: Uint16Array.of(65535, 0, 1, 2, 3, 4),
    i32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0, 1, 2, 3),
    u32: Uint32Array.of(2 ** 32 - 1, 0, 1, 2, 3, 4),
    i64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n, 1n, 2n, 3n),
    u64: BigUint64Array.of(2n ** 64n - 1n, 0n, 1n, 2n, 3n, 4n),
    bool: Uint8Array.of(1, 0, 1, 1, 0, 0),
  };
  test.each(Object.entries(data) as [Dtype, TensorData][])('%s', (dtype, values) => {
    const array: NpyArray = { dtype, shape: [3, 1, 2], data: values };
    const read = parseNpy(encodeNpy(array));
    expect(read).toEqual(array);
    // By bytes too: toEqual does not tell one NaN from another.
    expect(Buffer.from(read.data.buffer)).toEqual(Buffer.from(values.buffer));
  });

  test('bf16 is written as its raw bits, with a note', () => {
    expect(npyDescr('bf16').note).toContain('bf16');
    expect(parseNpy(encodeNpy({ dtype: 'bf16', shape: [1], data: Uint16Array.of(0x3f80) }))).toEqual({
      dtype: 'u16',
      shape: [1],
      data: Uint16Array.of(0x3f80),
    });
  });

  test('part of a larger buffer', () => {
    const data = new Float32Array(Float32Array.of(9, 1, 2, 9).buffer, 4, 2);
    expect(parseNpy(encodeNpy({ dtype: 'f32', shape: [2], data })).data).toEqual(Float32Array.of(1, 2));
  });

  test('through a file', () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-npy-'));
    const name = path.join(folder, 'a.npy');
    const array: NpyArray = { dtype: 'i64', shape: [2], data: BigInt64Array.of(1n, -1n) };
    writeNpy(name, array);
    expect(fs.readFileSync(name).indexOf('\n') % 64).toBe(63);
    expect(readNpy(name)).toEqual(array);
    fs.rmSync(folder, { recursive: true });
  });
});

describe('files that are refused', () => {
  const f4 = Buffer.from(numpy.f4, 'base64');
  test.each<[string, Buffer, RegExp]>([
    ['nothing', Buffer.alloc(0), /not a \.npy file/],
    ['a zip (.npz)', Buffer.from('PK\x03\x04aaaaaaaaaaa'), /not a \.npy file/],
    ['version 4', Buffer.concat([f4.subarray(0, 6), Buffer.from([4]), f4.subarray(7)]), /version 4 is unknown/],
    ['only the magic', f4.subarray(0, 6), /ends inside its header/],
    ['a header cut short', f4.subarray(0, 60), /ends inside its header/],
    [
      'elements cut short',
      f4.subarray(0, f4.length - 1),
      /holds 23 bytes of elements, fewer than the 24 of its shape \(2, 3\)/,
    ],
    ['two arrays', Buffer.concat([f4, f4]), /more than the 24/],
    ['a header that claims 4 GB', Buffer.from('934e554d5059020000ffffff', 'hex'), /ends inside its header/],
    ['a long header', file(' '.repeat(20_000), undefined, 2), /20000 characters, more than 10000/],
    ['pickled objects', Buffer.from(numpy.object, 'base64'), /pickled Python objects, which are never loaded/],
    ['records', Buffer.from(numpy.struct, 'base64'), /structured dtypes/],
    ['complex numbers', Buffer.from(numpy.complex, 'base64'), /dtype '<c8'/],
    ['text', Buffer.from(numpy.text, 'base64'), /dtype '<U2'/],
    ['dates', Buffer.from(numpy.date, 'base64'), /dtype '<M8\[D\]'/],
    ['a negative dimension', file(headerOf("'<f4'", '(-1, 4)')), /the dimension -1/],
    ['a dimension that is no number', file(headerOf("'<f4'", "('a',)")), /the dimension a/],
    ['a huge shape', file(headerOf("'<f4'", '(4611686018427, 4611686018427)')), /fewer than the/],
    // 2^32 · 2^32 · 4 overflows 64 bits to 0.
    [
      'a shape that overflows',
      file(headerOf("'<f4'", '(4294967296, 4294967296)')),
      /fewer than the 73786976294838206464/,
    ],
    [
      'a dimension beyond 2^53',
      file(headerOf("'<f4'", '(99999999999999999999,)')),
      /the dimension 100000000000000000000/,
    ],
    ['too many dimensions', file(headerOf("'|u1'", `(${'1,'.repeat(65)})`), Uint8Array.of(1)), /65 dimensions/],
    ['a missing key', file("{'descr': '<f4', 'shape': (1,)}"), /does not consist of/],
    ['a further key', file(headerOf("'<f4'", "(), 'x': 1")), /does not consist of/],
    ['a key twice', file("{'descr': '<f4', 'descr': '<f4', 'shape': ()}"), /malformed/],
    ['no dictionary', file('hello'), /malformed/],
    ['code instead of a literal', file(headerOf("'<f4'", "__import__('os').system('true')")), /malformed/],
    ['something after the dictionary', file(`${headerOf("'<f4'", '()')} 1`), /malformed/],
    ['deep nesting', file(`{'descr': ${'['.repeat(9900)}`), /malformed/],
  ])('%s', (_, bytes, message) => {
    const found = codeAndMessage(() => parseNpy(bytes, 'x.npy'));
    expect(found).toMatch(/^ERR_INVALID_TENSOR x\.npy: /);
    expect(found).toMatch(message);
  });

  test('every truncation of a good file', () => {
    for (let length = 0; length < f4.length; length++) {
      expect(codeAndMessage(() => parseNpy(f4.subarray(0, length)))).toMatch(/^ERR_INVALID_TENSOR/);
    }
  });

  test('a missing file and a folder', () => {
    expect(codeAndMessage(() => readNpy('/nowhere/x.npy'))).toMatch(
      /^ERR_INVALID_ARGUMENT Cannot read \/nowhere\/x\.npy/,
    );
    expect(codeAndMessage(() => readNpy(os.tmpdir()))).toMatch(/^ERR_INVALID_ARGUMENT .*not a regular file/);
  });
});
