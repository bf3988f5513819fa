// The locator: the order of the places it looks at, what it takes there, and that it reports every one of them.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { locate } from '../lib/locate.js';
import { linkerFolders } from '../lib/search-paths.js';
import { thrown } from './support/wait.js';
import { locateSdks, openedLibraries } from '../lib/sdk-library.js';

const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'edge-locate-')));
const mockPackage = path.join(root, 'package');
const mockRuntimes = [path.join(mockPackage, 'runtimes'), path.join(root, 'data')];

// The checkout has an OpenVINO of its own: look at an empty package instead.
jest.mock('../lib/manifest', () => ({
  ...jest.requireActual<object>('../lib/manifest'),
  get packageRoot() {
    return mockPackage;
  },
  runtimesDirectories: () => mockRuntimes,
}));

// … and at no library that this machine has.
jest.mock('../lib/search-paths', () => {
  const real = jest.requireActual<typeof import('../lib/search-paths.js')>('../lib/search-paths');
  const ours = (folder: string): boolean => folder.startsWith(path.dirname(mockPackage));
  return { ...real, systemFolders: () => real.systemFolders().filter(ours) };
});

const machines = { x64: 0x3e, arm64: 0xb7 } as Record<string, number>;
const platform = `${process.platform}-${process.arch}`;
const foreign = process.arch === 'arm64' ? 'x64' : 'arm64';
const savedEnvironment = { ...process.env };
const savedDirectory = process.cwd();

/** A file that begins like a shared library for this machine. */
function library(file: string, architecture: string = process.arch): string {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0x7f454c46, 0);
  header[4] = 2; // 64 bits
  header[5] = 1; // little endian
  header.writeUInt16LE(machines[architecture] ?? 0, 18);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, header);
  return file;
}

beforeEach(() => {
  for (const name of fs.readdirSync(root)) fs.rmSync(path.join(root, name), { recursive: true });
  for (const name of ['package/runtimes', 'data', 'work/inner', 'bin', 'home']) {
    fs.mkdirSync(path.join(root, name), { recursive: true });
  }
  for (const name of ['OPENVINO', 'TFLITE', 'EDGETPU', 'CUDA', 'TENSORRT']) delete process.env[`EDGE_INFER_${name}`];
  delete process.env.TENSORRT_DIR;
  for (const name of ['VIRTUAL_ENV', 'CONDA_PREFIX', 'PYTHONPATH', 'PYTHONUSERBASE']) {
    delete process.env[name];
  }
  for (const name of ['LD_LIBRARY_PATH', 'INTEL_OPENVINO_DIR', 'OpenVINO_DIR', 'PYENV_ROOT']) delete process.env[name];
  process.env.PATH = path.join(root, 'bin');
  process.env.HOME = path.join(root, 'home');
  process.chdir(path.join(root, 'work', 'inner'));
});

afterEach(() => {
  process.chdir(savedDirectory);
  process.env = { ...savedEnvironment };
});

afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const sources = (option?: string) => locate('openvino', option).searched.map((place) => place.source);

describe('explicit names', () => {
  test('the load option may be a file, whatever it is called', () => {
    const file = library(path.join(root, 'mine', 'openvino.so'));
    expect(locate('openvino', file).library).toBe(file);
    expect(sources(file)).toEqual(['option']);
  });

  test('the load option may be a folder of libraries or of an SDK', () => {
    const file = library(
      path.join(root, 'sdk', 'runtime', 'lib', process.arch === 'x64' ? 'intel64' : 'aarch64', 'libopenvino_c.so.2460'),
    );
    expect(locate('openvino', path.dirname(file)).library).toBe(file);
    expect(locate('openvino', path.join(root, 'sdk')).library).toBe(file);
  });

  test('the option wins over the environment, the environment over everything else', () => {
    const option = library(path.join(root, 'a', 'libopenvino_c.so'));
    const environment = library(path.join(root, 'b', 'libopenvino_c.so'));
    library(path.join(root, 'data', `openvino-2026.4.1-${platform}`, 'openvino', 'libs', 'libopenvino_c.so.2641'));
    process.env.EDGE_INFER_OPENVINO = environment;
    expect(locate('openvino', option).library).toBe(option);
    expect(locate('openvino').library).toBe(environment);
  });

  test.each(['option', 'environment'])('an %s that names nothing is reported, not passed over', (kind) => {
    library(path.join(root, 'data', `openvino-2026.4.1-${platform}`, 'openvino', 'libs', 'libopenvino_c.so.2641'));
    const wrong = path.join(root, 'nowhere');
    if (kind === 'environment') process.env.EDGE_INFER_OPENVINO = wrong;
    const { library: found, searched } = locate('openvino', kind === 'option' ? wrong : undefined);
    expect(found).toBeNull();
    const last = searched[searched.length - 1];
    expect(last).toMatchObject({ source: kind, path: wrong, found: false });
    expect(last?.note).toMatch(/no such file or folder.*nothing else was looked at/);
  });

  test('a folder without the library is reported', () => {
    const { library: found, searched } = locate('openvino', path.join(root, 'home'));
    expect(found).toBeNull();
    expect(searched[searched.length - 1]?.note).toMatch(/no libopenvino_c\.so/);
  });
});

describe('search', () => {
  /** Where each source keeps the library, in the order in which they are looked at. */
  const places: [string, (name: string) => string][] = [
    ['runtimes', (name) => path.join(root, 'data', `openvino-2026.4.1-${platform}`, 'openvino', 'libs', name)],
    ['npm', (name) => path.join(root, 'work', 'node_modules', 'openvino-node', 'bin', name)],
    ['python', (name) => path.join(root, 'venv', 'lib', 'python3.12', 'site-packages', 'openvino', 'libs', name)],
    ['system', (name) => path.join(root, 'lib', name)],
    [
      'vendor',
      (name) => path.join(root, 'intel', 'runtime', 'lib', process.arch === 'x64' ? 'intel64' : 'aarch64', name),
    ],
  ];

  test.each(places.map((place, index) => [place[0], index] as const))('%s comes in its turn', (source, index) => {
    process.env.VIRTUAL_ENV = path.join(root, 'venv');
    process.env.LD_LIBRARY_PATH = path.join(root, 'lib');
    process.env.INTEL_OPENVINO_DIR = path.join(root, 'intel');
    for (const [, file] of places.slice(index)) library(file('libopenvino_c.so.2641'));
    const { library: found, searched } = locate('openvino');
    expect(found).toBe(places[index]?.[1]('libopenvino_c.so.2641'));
    expect(searched[searched.length - 1]).toMatchObject({ source, found: true, path: found });
    expect(searched.some((place) => place.source === 'option' || place.source === 'environment')).toBe(false);
    // what comes before was looked at, and each place says why not
    const before = [...new Set(searched.map((place) => place.source))];
    expect(before).toEqual([...places.slice(0, index + 1).map(([name]) => name)]);
    expect(searched.slice(0, -1).every((place) => !place.found && place.note !== '')).toBe(true);
  });

  test('the highest release is taken, by number', () => {
    const folder = path.join(root, 'data', `openvino-2026.4.1-${platform}`, 'openvino', 'libs');
    for (const release of ['.2241', '.2641', '.999', '']) library(path.join(folder, `libopenvino_c.so${release}`));
    expect(locate('openvino').library).toBe(path.join(folder, 'libopenvino_c.so.2641'));
  });

  test('the newest installed runtime is taken', () => {
    for (const version of ['2025.4.1', '2026.10.0', '2026.4.1']) {
      library(path.join(root, 'data', `openvino-${version}-${platform}`, 'openvino', 'libs', 'libopenvino_c.so.1'));
    }
    expect(locate('openvino').library).toContain('openvino-2026.10.0-');
  });

  test('libraries of other architectures, broken links and other files are passed over, with the reason', () => {
    process.env.LD_LIBRARY_PATH = ['foreign', 'broken', 'text', 'good'].map((name) => path.join(root, name)).join(':');
    library(path.join(root, 'foreign', 'libopenvino_c.so.2641'), foreign);
    fs.mkdirSync(path.join(root, 'broken'));
    fs.symlinkSync(path.join(root, 'gone'), path.join(root, 'broken', 'libopenvino_c.so'));
    fs.mkdirSync(path.join(root, 'text'));
    fs.writeFileSync(path.join(root, 'text', 'libopenvino_c.so'), 'INPUT(libopenvino_c.so.2641)');
    const good = library(path.join(root, 'good', 'libopenvino_c.so.2641'));
    const { library: found, searched } = locate('openvino');
    expect(found).toBe(good);
    const notes = searched.filter((place) => place.source === 'system').map((place) => place.note);
    expect(notes[0]).toContain(`is for ${foreign}, not for ${process.arch}`);
    expect(notes[1]).toContain('broken link');
    expect(notes[2]).toContain('is no library');
  });

  test('the packages of the python3 on PATH are found through its link', () => {
    const file = library(
      path.join(root, 'py', 'lib', 'python3.11', 'site-packages', 'openvino', 'libs', 'libopenvino_c.so.2541'),
    );
    fs.mkdirSync(path.join(root, 'py', 'bin'));
    fs.writeFileSync(path.join(root, 'py', 'bin', 'python3.11'), '');
    fs.symlinkSync(path.join(root, 'py', 'bin', 'python3.11'), path.join(root, 'bin', 'python3'));
    expect(locate('openvino').library).toBe(file);
  });

  test('it asks the file system no more than a few milliseconds allow', () => {
    const names = ['readdirSync', 'statSync', 'existsSync', 'openSync', 'readFileSync', 'realpathSync'] as const;
    const calls = names.map((name) => jest.spyOn(fs, name));
    locate('openvino');
    const count = calls.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    calls.forEach((spy) => spy.mockRestore());
    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThan(400);
  });
});

describe('a backend of two SDKs', () => {
  const jar = `org/bytedeco/tensorflowlite/${process.platform}-${process.arch === 'x64' ? 'x86_64' : process.arch}`;
  const runtime = (): string =>
    library(path.join(root, 'data', `tflite-2.21.0-1.5.14-${platform}`, jar, 'libjnitensorflowlite.so'));

  test('one path a line; an optional one that is not here leaves its line empty', () => {
    const tflite = runtime();
    expect(locateSdks('tflite').require()).toBe(`${tflite}\n`);
    process.env.LD_LIBRARY_PATH = path.join(root, 'lib');
    const edgetpu = library(path.join(root, 'lib', 'libedgetpu.so.1.0'));
    const { found, searched, require } = locateSdks('tflite');
    expect(require()).toBe(`${tflite}\n${edgetpu}`);
    expect(found).toEqual({ tflite, edgetpu });
    expect(searched.filter((place) => place.found).map((place) => [place.sdk, place.source])).toEqual([
      ['tflite', 'runtimes'],
      ['edgetpu', 'system'],
    ]);
    expect(openedLibraries('tflite', require())).toEqual(found);
    expect(openedLibraries('tflite', `${tflite}\n`)).toEqual({ tflite });
    expect(openedLibraries('openvino', '/a/b')).toEqual({ openvino: '/a/b' });
    expect(openedLibraries('echo', '')).toEqual({});
  });

  test('the option names them by the name of the SDK, and so do the variables', () => {
    const [tflite, edgetpu] = ['t.so', 'e.so'].map((name) => library(path.join(root, 'mine', name)));
    expect(locateSdks('tflite', { tflite: tflite ?? '', edgetpu: edgetpu ?? '' }).require()).toBe(
      `${tflite}\n${edgetpu}`,
    );
    process.env.EDGE_INFER_TFLITE = tflite;
    process.env.EDGE_INFER_EDGETPU = edgetpu;
    expect(locateSdks('tflite').require()).toBe(`${tflite}\n${edgetpu}`);
  });

  test.each<[string, () => void, RegExp, RegExp]>([
    ['the needed one is missing', () => undefined, /library of tflite, .* was not found/, /runtimes install tflite/],
    [
      'the needed one is named wrongly',
      () => (process.env.EDGE_INFER_TFLITE = path.join(root, 'none')),
      /library of tflite is not at .*none \(no such file/,
      /Correct the variable EDGE_INFER_TFLITE/,
    ],
    [
      'the optional one is named wrongly',
      () => [runtime(), (process.env.EDGE_INFER_EDGETPU = path.join(root, 'none'))],
      /library of edgetpu is not at .*none \(no such file/,
      /Correct the variable EDGE_INFER_EDGETPU/,
    ],
  ])('%s: an error', (_, arrange, message, remedy) => {
    arrange();
    expect(thrown(() => locateSdks('tflite').require())).toMatchObject({
      name: 'InferenceError',
      code: 'ERR_UNAVAILABLE',
      backend: 'tflite',
      message: expect.stringMatching(message) as string,
      remedy: expect.stringMatching(remedy) as string,
    });
  });

  test('the libraries of an npm package and of an unpacked archive', () => {
    const arch = process.arch === 'x64' ? 'amd64' : process.arch;
    const file = library(
      path.join(root, 'work', 'node_modules', 'tfjs-tflite-node', 'cc_deps', `linux_${arch}`, 'libtensorflowlite_c.so'),
    );
    expect(locate('tflite').library).toBe(file);
    const folder = path.join(root, 'edgetpu_runtime', 'libedgetpu');
    const coral = process.arch === 'x64' ? 'k8' : 'aarch64';
    for (const clock of ['direct', 'throttled']) library(path.join(folder, clock, coral, 'libedgetpu.so.1.0'));
    expect(locate('edgetpu', path.dirname(folder)).library).toBe(
      path.join(folder, 'throttled', coral, 'libedgetpu.so.1.0'),
    );
    expect(locate('edgetpu', path.join(folder, 'direct', coral)).library).toContain('direct');
  });

  test('what is like them in name only is passed over', () => {
    process.env.LD_LIBRARY_PATH = path.join(root, 'lib');
    for (const name of ['libtensorflow-lite.so.2', 'libtensorflowlite.so', 'libedgetpu.so.2', 'libedgetpu_util.so']) {
      library(path.join(root, 'lib', name));
    }
    expect([locate('tflite').library, locate('edgetpu').library]).toEqual([null, null]);
    library(path.join(root, 'lib', 'libtensorflowlite_c.so.2.16'));
    expect(locate('tflite').library).toBe(path.join(root, 'lib', 'libtensorflowlite_c.so.2.16'));
  });
});

describe('TensorRT', () => {
  test('the driver is looked for first: without it TensorRT is of no use', () => {
    process.env.LD_LIBRARY_PATH = path.join(root, 'lib');
    const tensorrt = library(path.join(root, 'lib', 'libnvinfer.so.10.3.0'));
    expect(thrown(() => locateSdks('tensorrt').require())).toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: expect.stringMatching(/library of cuda, libcuda\.so\.1, was not found/) as string,
      remedy: expect.stringMatching(/^Install the NVIDIA driver .* EDGE_INFER_CUDA/) as string,
    });
    const cuda = library(path.join(root, 'lib', 'libcuda.so.1'));
    expect(locateSdks('tensorrt').require()).toBe(`${cuda}\n${tensorrt}`);
    fs.rmSync(tensorrt);
    expect(thrown(() => locateSdks('tensorrt').require())).toMatchObject({
      message: expect.stringMatching(/library of tensorrt, libnvinfer\.so, was not found/) as string,
      remedy: expect.stringMatching(/^Install TensorRT 8 or newer .* EDGE_INFER_TENSORRT/) as string,
    });
  });

  test('the toolkit’s stub is no driver, and older majors and lean libraries are not taken', () => {
    process.env.LD_LIBRARY_PATH = path.join(root, 'lib');
    for (const name of [
      'libcuda.so',
      'libcuda.so.535.104',
      'libnvinfer.so.7',
      'libnvinfer.so',
      'libnvinfer_lean.so.10',
    ]) {
      library(path.join(root, 'lib', name));
    }
    expect([locate('cuda').library, locate('tensorrt').library]).toEqual([null, null]);
    for (const release of ['8.6.1', '10.3.0', '11']) {
      const file = library(path.join(root, 'lib', `libnvinfer.so.${release}`));
      expect(locate('tensorrt').library).toBe(file); // the newest of those that are there
    }
  });

  test('Python’s package has it', () => {
    process.env.VIRTUAL_ENV = path.join(root, 'venv');
    const folder = path.join(root, 'venv', 'lib', 'python3.12', 'site-packages', 'tensorrt_libs');
    const file = library(path.join(folder, 'libnvinfer.so.10'));
    expect(locate('tensorrt').library).toBe(file);
  });
});

test('ld.so.conf is read with its includes, and an endless include ends', () => {
  const folder = path.join(root, 'etc');
  fs.mkdirSync(path.join(folder, 'd'), { recursive: true });
  fs.writeFileSync(path.join(folder, 'ld.so.conf'), 'include d/*.conf # more\n/opt/one\ninclude ld.so.conf\n');
  fs.writeFileSync(path.join(folder, 'd', 'two.conf'), '# a remark\n/opt/two\n\n');
  fs.writeFileSync(path.join(folder, 'd', 'three.txt'), '/opt/three\n');
  const folders = linkerFolders(path.join(folder, 'ld.so.conf'));
  expect(folders.slice(0, 2)).toEqual(['/opt/two', '/opt/one']);
  expect(folders).not.toContain('/opt/three');
  expect(linkerFolders(path.join(folder, 'none'))).toEqual([]);
});
