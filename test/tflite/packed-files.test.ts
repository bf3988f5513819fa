/** Files packed into TFLite models: what was packed comes out, and damaged archives are told. */
import fs from 'node:fs';
import path from 'node:path';
import { inspectTflite, readPackedFile } from '../../lib/index.js';
import { thrown, rejection } from '../support/wait.js';
import { packedFile, packedFiles } from '../../lib/tflite/zip.js';
import { zipOf } from '../support/zip.js';
import { labels, packedTflite, richTflite } from './models.js';

const assets = process.env['EDGE_INFER_ASSETS'];
const describeAssets = assets === undefined || assets === '' ? describe.skip : describe;

test('packed and stored files, with any name', async () => {
  const model = packedTflite();
  const { files, graphs } = await inspectTflite(model);
  expect(graphs).toHaveLength(2);
  expect(files).toEqual([
    { name: 'labels.txt', size: Buffer.byteLength(labels) },
    { name: 'größe/vocabulary.txt', size: 5 },
    { name: 'empty.txt', size: 0 },
  ]);
  expect(Buffer.from(await readPackedFile(model, 'labels.txt')).toString()).toBe(labels);
  expect(Buffer.from(await readPackedFile(model, 'größe/vocabulary.txt')).toString()).toBe('a b c');
  expect((await readPackedFile(model, 'empty.txt')).length).toBe(0);
});

test('an archive that was put behind a model without changing its offsets, and one with a comment', () => {
  const content = Buffer.from('text');
  const archive = zipOf([{ name: 'a.txt', content }], { comment: 'made by a test' });
  const model = Buffer.concat([richTflite(), archive]);
  expect(packedFiles(model)).toEqual([{ name: 'a.txt', size: 4 }]);
  expect(Buffer.from(packedFile(model, 'a.txt'))).toEqual(content);
});

test('folders are no files, and an empty archive has none', () => {
  const archive = zipOf([
    { name: 'folder/', content: new Uint8Array(0), method: 'stored' },
    { name: 'folder/a', content: Uint8Array.of(1) },
  ]);
  expect(packedFiles(archive)).toEqual([{ name: 'folder/a', size: 1 }]);
  expect(packedFiles(zipOf([]))).toEqual([]);
});

test('a model without files, and one whose weights look like an archive’s end', () => {
  expect(packedFiles(richTflite())).toEqual([]);
  const end = zipOf([]);
  new DataView(end.buffer).setUint32(12, 0xffffffff, true); // a list that is larger than the file
  expect(packedFiles(Buffer.concat([richTflite(), end]))).toEqual([]);
});

test('a file that is not there is an argument’s mistake, and the remedy has the names', async () => {
  expect(await rejection(readPackedFile(packedTflite(), 'none.txt'))).toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: "The model has no packed file 'none.txt'.",
    remedy: "It has 'labels.txt', 'größe/vocabulary.txt', 'empty.txt'.",
  });
  expect(await rejection(readPackedFile(richTflite(), 'none.txt'))).toMatchObject({ remedy: 'It has none at all.' });
});

describe('damaged', () => {
  const content = Buffer.from('text that is packed'.repeat(10));
  const name = 'a.txt';
  const archive = zipOf([{ name, content }]);
  const list = Buffer.from(archive).indexOf('PK\u0001\u0002');

  /** The archive with a number of the entry in its list changed. */
  function changed(offset: number, value: number, width: 2 | 4 = 4): Uint8Array {
    const copy = archive.slice();
    const data = new DataView(copy.buffer);
    if (width === 2) data.setUint16(list + offset, value, true);
    else data.setUint32(list + offset, value, true);
    return copy;
  }

  test.each([
    ['another checksum', changed(16, 1), 'ERR_INVALID_MODEL'],
    ['more packed bytes than there are', changed(20, 1_000_000), 'ERR_INVALID_MODEL'],
    ['fewer packed bytes', changed(20, 5), 'ERR_INVALID_MODEL'],
    ['fewer bytes than it unpacks to', changed(24, 3), 'ERR_INVALID_MODEL'],
    ['more bytes than it unpacks to', changed(24, 10_000), 'ERR_INVALID_MODEL'],
    ['a place beyond the end', changed(42, 0xfffffff0), 'ERR_INVALID_MODEL'],
    ['another place', changed(42, 7), 'ERR_INVALID_MODEL'],
    ['a trap of 4 GB', changed(24, 0xffffffff), 'ERR_UNSUPPORTED'],
    ['another method', changed(10, 12, 2), 'ERR_UNSUPPORTED'],
    ['encrypted', changed(8, 1, 2), 'ERR_UNSUPPORTED'],
  ])('%s', (_, bytes, code) => {
    const error = thrown(() => packedFile(bytes, name));
    expect(error).toMatchObject({ name: 'InferenceError', code });
    expect((error as { remedy: string }).remedy).not.toBe('');
  });

  test('a list with more entries than there are', () => {
    const copy = archive.slice();
    new DataView(copy.buffer).setUint16(copy.length - 12, 9, true);
    expect(thrown(() => packedFiles(copy))).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });
});

describeAssets('real models', () => {
  test('the labels of a classifier', async () => {
    const file = path.join(assets!, 'models', 'mobilenet_v1_0.25_128_quant_edgetpu.tflite');
    const { files } = await inspectTflite(file);
    expect(files).toEqual([{ name: 'imagenet_labels.txt', size: 21_686 }]);
    const packed = Buffer.from(await readPackedFile(file, 'imagenet_labels.txt')).toString();
    const lines = packed.trim().split('\n');
    expect(lines).toHaveLength(1001);
    expect(lines.some((line) => line.includes('military uniform'))).toBe(true);
    expect(fs.statSync(file).size).toBeGreaterThan(21_686);
  });
});
