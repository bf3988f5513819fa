// TensorRT on a machine without a GPU, which most are: it says why, and everything else goes on as if it were not there.
import path from 'node:path';
import { listBackends, loadModel } from '../../../lib/index.js';
import { addIr } from '../../support/ir.js';
import { Folder } from '../../support/folder.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';

const folder = new Folder();
const saved = process.env['EDGE_INFER_CUDA'];
// A driver that cannot be had, also where the machine has one.
const nowhere = path.join(folder.path, 'none', 'libcuda.so.1');
beforeAll(() => void (process.env['EDGE_INFER_CUDA'] = nowhere));
afterAll(() => {
  if (saved === undefined) delete process.env['EDGE_INFER_CUDA'];
  else process.env['EDGE_INFER_CUDA'] = saved;
});

function model(): { xml: string; bin: string } {
  const { xml, bin } = addIr(1, [1]);
  return { xml: folder.write('add.xml', xml), bin: folder.write('add.bin', bin) };
}

it('is listed as unavailable, with the reason and what to do', async () => {
  const tensorrt = (await listBackends()).find(({ name }) => name === 'tensorrt')!;
  expect(tensorrt).toMatchObject({ available: false, version: null, library: null, libraries: {}, devices: [] });
  expect(tensorrt.error).toMatchObject({
    code: 'ERR_UNAVAILABLE',
    message: `The library of cuda is not at ${nowhere} (no such file or folder, but EDGE_INFER_CUDA names it: nothing else was looked at).`,
    remedy: expect.stringMatching(/EDGE_INFER_CUDA/) as string,
  });
  expect(tensorrt.searched.map(({ sdk }) => sdk)).toEqual(expect.arrayContaining(['cuda', 'tensorrt']));
});

it('`auto` goes on to the next device, and says that it did', async () => {
  const { xml, bin } = model();
  const loaded = await loadModel(xml, { weights: bin });
  expect(loaded.info.device).toMatch(/^openvino:/);
  expect(loaded.info.rejected[0]).toMatchObject({ device: 'tensorrt:0', code: 'ERR_UNAVAILABLE' });
  expect(numbers((await loaded.run({ x: Float32Array.of(1) }))['y']!.data)).toEqual([2]);
  await loaded.dispose();
});

it.each(['tensorrt', 'tensorrt:0', 'tensorrt:gpu-00112233-4455-6677-8899-aabbccddee00'])(
  '%s is refused',
  async (device) => {
    const { xml, bin } = model();
    expect(await rejection(loadModel(xml, { weights: bin, device }))).toMatchObject({
      code: 'ERR_UNAVAILABLE',
      backend: 'tensorrt',
    });
  },
);

it('a file that is no driver is told from one', async () => {
  process.env['EDGE_INFER_CUDA'] = folder.write('libcuda.so.1', 'no library');
  process.env['EDGE_INFER_TENSORRT'] = folder.write('libnvinfer.so.10', 'no library');
  try {
    const tensorrt = (await listBackends()).find(({ name }) => name === 'tensorrt')!;
    expect(tensorrt.error).toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: expect.stringMatching(/^The CUDA driver .*libcuda\.so\.1 cannot be opened\.$/) as string,
    });
  } finally {
    process.env['EDGE_INFER_CUDA'] = nowhere;
    delete process.env['EDGE_INFER_TENSORRT'];
  }
});
