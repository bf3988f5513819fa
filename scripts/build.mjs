// `npm run build`: compiles the addon and the TypeScript where their sources have changed, decided by content.
//   --only addon|ts|bench|simulators|native-tests|prebuild-linux-arm64|…    one part
//   --native-tests                  the native tests (GoogleTest) in build/native-tests
//   --sanitize address|thread       the native tests, and for address the addon, instrumented
//   --prepare                       as npm's prepare script: silent where there is nothing to build with
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { clearStamp, contentKey, isFresh, sha256, writeStamp } from './content-key.mjs';
import { dependencyProgram, installedVersion, isMain, main, root, run, Sentence } from './root.mjs';
import { emulatedReleases, tensorrtReleases } from './simulators.mjs';
import { checkBuildTools, cmakeVersion, compiler } from './tools.mjs';
import { platforms, zigOptions } from './zig.mjs';

const jobs = String(os.availableParallelism?.() ?? os.cpus().length);
const nativeSources = ['native', 'binding', 'cmake', 'CMakeLists.txt'];

/** What compiled code depends on beside the sources. A change of it asks for an empty build folder. */
function nativeTools() {
  return {
    compiler: compiler()?.version ?? null,
    cmake: cmakeVersion()?.join('.') ?? null,
    arch: process.arch,
    // compiled in
    version: JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8')).version,
    flags: [process.env.CXX ?? '', process.env.CXXFLAGS ?? '', process.env.LDFLAGS ?? ''],
    packages: ['cmake-js', 'node-addon-api', 'node-api-headers'].map((name) => [name, installedVersion(name)]),
  };
}

/** The key of everything that is compiled from the native sources with these further facts. */
export function nativeKey(facts) {
  return contentKey(root, nativeSources, { ...facts, tools: nativeTools() });
}

/** Folders in the pinned parts of this name, of those that are installed. */
function installedFolders(name, folderOf) {
  const manifest = JSON.parse(fs.readFileSync(path.join(root, 'runtimes', 'manifest.json'), 'utf8'));
  const parents = [process.env.EDGE_INFER_RUNTIMES, path.join(root, 'runtimes')].filter(Boolean);
  return manifest.parts
    .filter((part) => part.name === name)
    .map((part) => path.join(`${part.id}-${part.version}-${process.platform}-${process.arch}`, folderOf(part)))
    .map((folder) => parents.map((parent) => path.resolve(parent, folder)).find(fs.existsSync))
    .filter(Boolean);
}

/** OpenVINO's C headers: the test that compares api.h with them needs one. */
const openvinoHeaders = () => installedFolders('openvino', () => path.join('openvino', 'include'));

/** TensorRT's headers: the test that compares slots.h with them needs one. Those that are named, or the pinned ones. */
const tensorrtHeaders = () =>
  process.env.EDGE_INFER_TENSORRT_HEADERS
    ? process.env.EDGE_INFER_TENSORRT_HEADERS.split(':').map((folder) => path.resolve(folder))
    : installedFolders('trtx-sys', ({ extract }) => extract.find((pattern) => pattern.endsWith('/**')).slice(0, -3));

/** The pinned TFLite where it is installed: the tests of the Edge TPU simulator run on it. */
export function tfliteLibrary() {
  const manifest = JSON.parse(fs.readFileSync(path.join(root, 'runtimes', 'manifest.json'), 'utf8'));
  const part = manifest.parts.find(({ id }) => id === 'tflite');
  if (part === undefined) return null;
  const architecture = process.arch === 'x64' ? 'x86_64' : process.arch;
  const folder = `${part.id}-${part.version}-${process.platform}-${process.arch}`;
  const file = `org/bytedeco/tensorflowlite/${process.platform}-${architecture}/libjnitensorflowlite.so`;
  const parents = [process.env.EDGE_INFER_RUNTIMES, path.join(root, 'runtimes')].filter(Boolean);
  return parents.map((parent) => path.resolve(parent, folder, file)).find(fs.existsSync) ?? null;
}

/** `facts` are what its options depend on; `options` returns them for CMake. */
function addonTarget(name, directory, facts, options) {
  return {
    name,
    directory,
    inputs: nativeSources,
    facts,
    // cmake-js puts the library straight into a folder that is called like the configuration.
    outputs: [`${directory}/edge_infer.node`, `${directory}/edge_infer-host`],
    make() {
      const args = ['build', '--out', path.join(root, directory), '--parallel', jobs, '--log-level', 'warn'];
      for (const [key, value] of Object.entries(options())) args.push(`--CD${key}=${value}`);
      // `configure` first: with a cache that exists `build` alone would keep old options.
      for (const command of ['configure', 'build']) {
        args[0] = command;
        const code = run(process.execPath, [dependencyProgram('cmake-js'), ...args]);
        if (code !== 0) throw new Sentence(`the addon did not compile (cmake-js ${command} ended with code ${code}).`);
      }
    },
  };
}

const benchTarget = {
  name: 'bench',
  directory: 'build/bench-addon/Release',
  inputs: [...nativeSources, 'bench/native'],
  facts: {},
  outputs: ['build/bench-addon/Release/edge_bench.node'],
  make() {
    const args = ['--out', path.join(root, benchTarget.directory), '--parallel', jobs, '--log-level', 'warn'];
    for (const command of ['configure', 'build']) {
      const options = ['--CDEDGE_INFER_BENCH=ON', '--target', 'edge_bench'];
      const code = run(process.execPath, [dependencyProgram('cmake-js'), command, ...args, ...options]);
      if (code !== 0) throw new Sentence(`the benchmark's addon did not compile (cmake-js ${command}: code ${code}).`);
    }
  },
};

function nativeTestsTarget(name, sanitize) {
  const directory = `build/${name}`;
  const headers = sanitize ? [] : openvinoHeaders();
  const tensorrt = sanitize ? [] : tensorrtHeaders();
  const tflite = tfliteLibrary();
  return {
    name,
    directory,
    tests: true,
    inputs: [...nativeSources, 'test/native', 'test/simulators'],
    facts: { sanitize, headers, tensorrt, tflite },
    outputs: [
      `${directory}/edge_tests`,
      ...headers.map((_, i) => `${directory}/openvino_api_test_${i}`),
      ...tensorrt.map((_, i) => `${directory}/tensorrt_headers_test_${i}`),
      ...(tflite === null ? [] : [`${directory}/edgetpu_simulator_tests`]),
    ],
    make() {
      const options = {
        EDGE_INFER_TESTS: 'ON',
        EDGE_INFER_SANITIZE: sanitize,
        EDGE_INFER_OPENVINO_HEADERS: headers.join(';'),
        EDGE_INFER_TENSORRT_HEADERS: tensorrt.join(';'),
        EDGE_INFER_TFLITE_LIBRARY: tflite ?? '',
      };
      const definitions = Object.entries(options).map(([key, value]) => `-D${key}=${value}`);
      const steps = [
        ['-S', root, '-B', path.join(root, directory), ...definitions],
        ['--build', path.join(root, directory), '--parallel', jobs],
      ];
      for (const step of steps) {
        if (run('cmake', step) !== 0) throw new Sentence('the native tests did not compile.');
      }
    },
  };
}

function simulatorTarget(name, outputs, targets, options) {
  const directory = `build/${name}`;
  return {
    name,
    directory,
    inputs: ['CMakeLists.txt', 'test/simulators'],
    facts: { targets },
    outputs: outputs.map((file) => `${directory}/${file}`),
    make() {
      const folder = path.join(root, directory);
      const definitions = Object.entries({ EDGE_INFER_SIMULATORS: 'ON', ...options() }).map(
        ([key, value]) => `-D${key}=${value}`,
      );
      const steps = [
        ['-S', root, '-B', folder, ...definitions],
        ['--build', folder, '--parallel', jobs, '--target', ...targets],
      ];
      for (const step of steps) {
        if (run('cmake', step) !== 0) throw new Sentence('the simulators did not compile.');
      }
    },
  };
}

/** TensorRT's libraries of these releases, and the driver below them. */
const tensorrtFiles = (releases) => [
  'cuda/libcuda.so.1',
  ...releases.flatMap((release) =>
    ['libnvinfer', 'libnvonnxparser'].map(
      (library) => `nvinfer-${release}/${library}.so.${Number.parseInt(release, 10)}`,
    ),
  ),
];
const tensorrtTargets = (releases) => [
  'cuda_simulator',
  ...releases.flatMap((release) => [`nvinfer_${release}_simulator`, `nvonnxparser_${release}_simulator`]),
];

const simulatorsTarget = simulatorTarget(
  'simulators',
  [
    'libopenvino_2022_3_simulator.so',
    'edgetpu-old/libedgetpu.so.1',
    'edgetpu-new/libedgetpu.so.1',
    ...tensorrtFiles(tensorrtReleases),
  ],
  ['openvino_2022_3_simulator', 'edgetpu_simulator_old', 'edgetpu_simulator_new', ...tensorrtTargets(tensorrtReleases)],
  () => ({}),
);

/** For another platform, with Zig. */
function foreignSimulatorsTarget(platform) {
  const [files, targets] = [tensorrtFiles(emulatedReleases), tensorrtTargets(emulatedReleases)];
  return simulatorTarget(`simulators-${platform}`, files, targets, () => zigOptions(platform));
}

const typescriptTarget = {
  name: 'ts',
  inputs: ['lib', 'tsconfig.json'],
  facts: { typescript: installedVersion('typescript'), types: installedVersion('@types/node') },
  outputs: ['dist'],
  make() {
    // Made beside and swapped in: a failed compile leaves the old one, and files without a source do not stay.
    const next = path.join(root, 'build', 'dist-next');
    const old = path.join(root, 'build', 'dist-old');
    for (const folder of [next, old]) fs.rmSync(folder, { recursive: true, force: true });
    const code = run(process.execPath, [
      dependencyProgram('typescript', 'tsc'),
      '-p',
      root,
      '--noEmitOnError',
      '--outDir',
      next,
    ]);
    if (code !== 0) throw new Sentence('the TypeScript sources did not compile.');
    const command = path.join(next, 'cli', 'main.js');
    if (fs.existsSync(command)) fs.chmodSync(command, 0o755);
    const dist = path.join(root, 'dist');
    if (fs.existsSync(dist)) fs.renameSync(dist, old);
    fs.renameSync(next, dist);
    fs.rmSync(old, { recursive: true, force: true });
  },
};

function sanitizedAddonTarget(sanitize) {
  return addonTarget('addon-asan', 'build/addon-asan/Release', { sanitize }, () => ({
    EDGE_INFER_SANITIZE: sanitize,
  }));
}

/** What is published: for the oldest glibc, whatever this machine is. */
function prebuildTarget(platform) {
  const name = `prebuild-${platform}`;
  return addonTarget(name, `build/${name}/Release`, {}, () => zigOptions(platform));
}

const targets = {
  addon: () => addonTarget('addon', 'build/Release', {}, () => ({})),
  ts: () => typescriptTarget,
  bench: () => benchTarget,
  simulators: () => simulatorsTarget,
  'simulators-linux-arm64': () => foreignSimulatorsTarget('linux-arm64'),
  'native-tests': () => nativeTestsTarget('native-tests', ''),
  'native-asan': () => nativeTestsTarget('native-asan', 'address'),
  'native-tsan': () => nativeTestsTarget('native-tsan', 'thread'),
  'addon-asan': () => sanitizedAddonTarget('address'),
  ...Object.fromEntries(platforms.map((platform) => [`prebuild-${platform}`, () => prebuildTarget(platform)])),
};

/** Takes the one build lock of this checkout, waiting for a build that runs. Returns what gives it back. */
async function lock() {
  const file = path.join(root, 'build', '.lock');
  fs.mkdirSync(path.dirname(file), { recursive: true });
  for (let said = false; ;) {
    try {
      fs.writeFileSync(file, String(process.pid), { flag: 'wx' });
      return () => fs.rmSync(file, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    let owner;
    try {
      owner = Number(fs.readFileSync(file, 'utf8'));
      process.kill(owner, 0);
    } catch (error) {
      // The owner is gone (or has just given the lock back): the lock is nobody's.
      if (error.code === 'ESRCH') fs.rmSync(file, { force: true });
      continue;
    }
    if (!said) console.error(`edge-infer: waiting for the build of process ${owner}.`);
    said = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Builds what is not up to date among the named targets. Returns the names of what was made. */
export async function build(names) {
  const tools = nativeTools();
  const state = (name) => {
    const target = targets[name]();
    const native = target.directory !== undefined;
    const key = contentKey(root, target.inputs, native ? { ...target.facts, tools } : target.facts);
    const stamp = path.join(root, 'build', 'stamps', `${name}.json`);
    return { target, native, key, stamp, fresh: isFresh(root, stamp, key) };
  };
  if (names.every((name) => state(name).fresh)) return [];
  const release = await lock();
  const made = [];
  try {
    for (const name of names) {
      const { target, native, key, stamp, fresh } = state(name);
      if (fresh) continue;
      if (native) checkBuildTools({ tests: target.tests });
      clearStamp(stamp);
      if (native) prepareFolder(target.directory, sha256(JSON.stringify(tools)));
      console.error(`edge-infer: building ${name} …`);
      target.make();
      writeStamp(root, stamp, key, target.outputs);
      made.push(name);
    }
  } finally {
    release();
  }
  return made;
}

/** Empties a build folder that another compiler, CMake or header version has worked in: make would not notice. */
function prepareFolder(directory, toolsKey) {
  const folder = path.join(root, directory);
  const mark = path.join(folder, '.tools');
  if (fs.existsSync(folder) && (!fs.existsSync(mark) || fs.readFileSync(mark, 'utf8') !== toolsKey)) {
    fs.rmSync(folder, { recursive: true, force: true });
  }
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(mark, toolsKey);
}

function chosen(values) {
  if (values.only !== undefined) {
    if (targets[values.only] === undefined) {
      throw new Sentence(`expected --only to be one of ${Object.keys(targets).join(', ')}, got ${values.only}.`);
    }
    return [values.only];
  }
  if (values.sanitize === 'address') return ['native-asan', 'addon-asan'];
  if (values.sanitize === 'thread') return ['native-tsan'];
  if (values.sanitize !== undefined) {
    throw new Sentence(`expected --sanitize to be address or thread, got ${values.sanitize}.`);
  }
  return values['native-tests'] ? ['native-tests'] : ['addon', 'ts'];
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const { values } = parseArgs({
      options: {
        only: { type: 'string' },
        'native-tests': { type: 'boolean' },
        sanitize: { type: 'string' },
        prepare: { type: 'boolean' },
      },
    });
    if (values.prepare) {
      // Not a checkout, or installed without development dependencies: nothing to build, nothing to say.
      if (!fs.existsSync(path.join(root, 'native')) || !fs.existsSync(path.join(root, 'CMakeLists.txt'))) return 0;
      if (installedVersion('cmake-js') === null || installedVersion('typescript') === null) return 0;
    }
    const made = await build(chosen(values));
    console.error(made.length === 0 ? 'edge-infer: the build is up to date.' : `edge-infer: built ${made.join(', ')}.`);
    return 0;
  });
}
