/** OpenVINO: ONNX models that keep tensors in files beside them; names that leave the model's folder are refused unread. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { onnx } from 'onnx-proto';
import type { InferenceError } from '../../../lib/index.js';
import { Folder } from '../../support/folder.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { closeAll, load } from './models.js';

const folder = new Folder();
const values = Float32Array.of(10, 20, 30);
const data = new Uint8Array(values.buffer);

afterEach(closeAll);

type Entries = readonly (readonly [key: string, value: string])[];

function external(entries: Entries, name = 'c'): onnx.ITensorProto {
  return {
    name,
    dims: [3],
    dataType: onnx.TensorProto.DataType.FLOAT,
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: entries.map(([key, value]) => ({ key, value })),
  };
}

const port = (name: string): onnx.IValueInfoProto => ({
  name,
  type: { tensorType: { elemType: 1, shape: { dim: [{ dimValue: 3 }] } } },
});

/** y = x + c; what else is in the graph comes from `more`. */
function model(initializer: onnx.ITensorProto[], more: Partial<onnx.IGraphProto> = {}): Uint8Array {
  return Uint8Array.from(
    onnx.ModelProto.encode({
      irVersion: 7,
      opsetImport: [{ domain: '', version: 13 }],
      graph: {
        name: 'test',
        input: [port('x')],
        output: [port('y')],
        node: [{ opType: 'Add', input: ['x', 'c'], output: ['y'] }],
        initializer,
        ...more,
      },
    }).finish(),
  );
}

/** Writes a model whose constant is at this location. */
function write(name: string, location: string, rest: Entries = []): string {
  return folder.write(`${name}/model.onnx`, model([external([['location', location], ...rest])]));
}

async function adds(file: string): Promise<void> {
  const { y } = await (await load(file)).run({ x: Float32Array.of(1, 2, 3) });
  expect(numbers(y!.data)).toEqual([11, 22, 33]);
}

async function refusal(source: string | Uint8Array): Promise<InferenceError> {
  const error = (await rejection(load(source))) as InferenceError;
  expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'openvino' });
  expect(error.remedy).not.toBe('');
  return error;
}

describe('data beside the model', () => {
  it('is read, from the whole file and from a part of it', async () => {
    folder.write('beside/weights.bin', data);
    await adds(write('beside', 'weights.bin'));
    folder.write('part/weights.bin', new Uint8Array([...new Uint8Array(4096), ...data]));
    await adds(
      write('part', 'weights.bin', [
        ['offset', '4096'],
        ['length', '12'],
      ]),
    );
  });

  it('is read from a folder below, and by a link to a file in the folder', async () => {
    folder.write('below/data/weights.bin', data);
    await adds(write('below', 'data/weights.bin'));
    folder.write('inner/real.bin', data);
    fs.symlinkSync('real.bin', path.join(folder.path, 'inner', 'weights.bin'));
    await adds(write('inner', 'weights.bin'));
  });

  it('is read where the model is reached by a link to its folder', async () => {
    folder.write('real/weights.bin', data);
    write('real', 'weights.bin');
    fs.symlinkSync(path.join(folder.path, 'real'), path.join(folder.path, 'alias'));
    await adds(path.join(folder.path, 'alias', 'model.onnx'));
  });

  it('that is missing is named', async () => {
    expect((await refusal(write('missing', 'weights.bin'))).message).toContain("'weights.bin', which is not there");
  });

  it('that is too short is an invalid model', async () => {
    folder.write('short/weights.bin', data.subarray(0, 8));
    await refusal(write('short', 'weights.bin', [['length', '12']]));
  });
});

describe('data that leaves the folder', () => {
  const outside = folder.write('outside.bin', data);

  it.each([
    ['a relative path', '../outside.bin', 'leaves'],
    ['a detour', 'sub/../../outside.bin', 'leaves'],
    ['an absolute path', outside, 'absolute'],
    ['a system file', '/etc/passwd', 'absolute'],
    ['no name', '', 'no file name'],
    ['a name with backslashes', '..\\outside.bin', 'no file name'],
    ['a name with a zero', 'a\0b', 'no file name'],
    ['an address in memory', '*/_ORT_MEM_ADDR_/*', 'not there'],
  ])('%s', async (name, location, words) => {
    expect((await refusal(write(`bad-${name}`, location))).message).toContain(words);
  });

  it('a symbolic link', async () => {
    const file = write('symlink', 'weights.bin');
    fs.symlinkSync(outside, path.join(folder.path, 'symlink', 'weights.bin'));
    expect((await refusal(file)).message).toContain('link');
  });

  it('a symbolic link in the middle', async () => {
    const file = write('middle', 'data/outside.bin');
    fs.symlinkSync(folder.path, path.join(folder.path, 'middle', 'data'));
    expect((await refusal(file)).message).toContain('link');
  });

  it('a hard link', async () => {
    const file = write('hardlink', 'weights.bin');
    fs.linkSync(outside, path.join(folder.path, 'hardlink', 'weights.bin'));
    expect((await refusal(file)).message).toContain('hard link');
  });

  it('a pipe, which would block for ever', async () => {
    const file = write('pipe', 'weights.bin');
    execFileSync('mkfifo', [path.join(folder.path, 'pipe', 'weights.bin')]);
    expect((await refusal(file)).message).toContain('no regular file');
  });

  it('a folder', async () => {
    const file = write('directory', 'weights.bin');
    fs.mkdirSync(path.join(folder.path, 'directory', 'weights.bin'));
    expect((await refusal(file)).message).toContain('no regular file');
  });

  it('from memory, where there is no folder', async () => {
    expect((await refusal(model([external([['location', 'weights.bin']])]))).message).toContain('in memory');
  });

  it('wherever the tensor is: attributes, subgraphs, sparse tensors, training', async () => {
    const bad = external([['location', outside]]);
    const inner = { name: 'inner', initializer: [bad] };
    const graphs: [string, onnx.IModelProto][] = [
      ['attribute', { graph: { node: [{ opType: 'Constant', attribute: [{ name: 'value', t: bad }] }] } }],
      ['attributes', { graph: { node: [{ opType: 'Constant', attribute: [{ name: 'value', tensors: [bad] }] }] } }],
      ['subgraph', { graph: { node: [{ opType: 'If', attribute: [{ name: 'then_branch', g: inner }] }] } }],
      ['subgraphs', { graph: { node: [{ opType: 'If', attribute: [{ name: 'then_branch', graphs: [inner] }] }] } }],
      ['sparse', { graph: { sparseInitializer: [{ values: bad, indices: bad }] } }],
      ['training', { trainingInfo: [{ initialization: inner }] }],
    ];
    for (const [name, proto] of graphs) {
      const bytes = Uint8Array.from(onnx.ModelProto.encode({ irVersion: 7, ...proto }).finish());
      expect((await refusal(folder.write(`nested/${name}.onnx`, bytes))).message).toContain('absolute');
    }
  });

  it('however the entry is written: keys repeated, after the value, with unknown fields between', async () => {
    const text = (field: number, value: string): number[] => [(field << 3) | 2, value.length, ...Buffer.from(value)];
    const message = (field: number, bytes: number[]): number[] => {
      const size = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
      return [...(field < 16 ? [(field << 3) | 2] : [((field << 3) & 127) | 130, field >> 4]), ...size, ...bytes];
    };
    const group = [((99 << 3) & 127) | 128 | 3, 6, 0x08, 0x01, ((99 << 3) & 127) | 128 | 4, 6]; // field 99, an old wire type
    const entry = [
      ...text(2, '/etc/hostname'),
      ...group,
      ...text(1, 'offset'),
      ...text(1, 'location'),
      ...text(2, 'b'),
    ];
    const tensor = message(13, entry);
    const bytes = Uint8Array.from([0x08, 7, ...message(7, message(5, tensor))]);
    expect((await refusal(folder.write('odd/model.onnx', bytes))).message).toContain('/etc/hostname');
  });

  it('graphs in graphs beyond any reader are refused, not followed', async () => {
    let bytes = Buffer.alloc(0);
    for (let depth = 0; depth < 3000; depth++) {
      // attribute.g of a node: fields 6, 5 and 1
      for (const field of [6, 5, 1]) {
        const head = [(field << 3) | 2];
        let size = bytes.length;
        for (; size > 127; size >>= 7) head.push((size & 127) | 128);
        bytes = Buffer.concat([Buffer.from([...head, size]), bytes]);
      }
    }
    const head = [(7 << 3) | 2];
    let size = bytes.length;
    for (; size > 127; size >>= 7) head.push((size & 127) | 128);
    const file = folder.write('deep/model.onnx', Buffer.concat([Buffer.from([0x08, 7, ...head, size]), bytes]));
    expect((await refusal(file)).message).toContain('too deeply');
  });
});

it('a model that is a pipe is refused', async () => {
  const pipe = path.join(folder.path, 'pipe.onnx');
  execFileSync('mkfifo', [pipe]);
  expect(await rejection(load(pipe))).toMatchObject({
    code: 'ERR_INVALID_MODEL',
    message: expect.stringContaining('no regular file'),
  });
});
