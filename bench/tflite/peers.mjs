// Other ways to run the same .tflite file, each in a process of its own.
import fs from 'node:fs';
import path from 'node:path';
import { pythonEnv } from '../../scripts/python-env.mjs';
import { outputOf, root, run, Sentence } from '../../scripts/root.mjs';
import { compiler } from '../../scripts/tools.mjs';
import { installPeers, Peer, peerFolder, peerVersion } from '../peers/peer.mjs';
import { median, quantile } from '../statistics.mjs';

/**
 * tfjs-tflite-node's package holds TFLite's library and the source of its addon, not the addon: npm would have node-gyp
 * compile it at install, with headers from the network. Here it is compiled against the headers of node-api-headers.
 * Returns why it cannot be, or null.
 */
function compileTfjs(modules) {
  const folder = peerFolder(modules, 'tfjs-tflite-node');
  const architecture = { x64: 'amd64', arm64: 'arm64' }[process.arch];
  const libraries = path.join(folder, 'cc_deps', `linux_${architecture}`);
  if (process.platform !== 'linux' || !fs.existsSync(libraries)) {
    return `its package has no library for ${process.platform} on ${process.arch}`;
  }
  const addon = path.join(folder, 'build', 'Release', 'node_tflite_binding.node');
  if (fs.existsSync(addon)) return null;
  const cxx = compiler();
  if (cxx === null) return 'its addon has to be compiled, and no C++ compiler was found';
  fs.mkdirSync(path.dirname(addon), { recursive: true });
  const includes = [
    path.join(root, 'node_modules', 'node-api-headers', 'include'),
    peerFolder(modules, 'node-addon-api'),
    path.join(folder, 'cc_deps', 'include'),
  ];
  const code = run(cxx.name, [
    ...['-std=c++11', '-O2', '-fPIC', '-shared', '-fexceptions', '-w', '-DNAPI_CPP_EXCEPTIONS'],
    ...['-DNODE_GYP_MODULE_NAME=node_tflite_binding', ...includes.map((one) => `-I${one}`)],
    path.join(folder, 'binding', 'node_tflite_binding.cc'),
    ...['libtensorflowlite_c.so', 'libexternal_delegate_obj.so'].map((name) => path.join(libraries, name)),
    `-Wl,-rpath,$ORIGIN/../../cc_deps/linux_${architecture}`,
    ...['-o', addon],
  ]);
  return code === 0 ? null : 'its addon does not compile here';
}

/** The programs to compare, one for each number of threads, not started yet. */
export function findPeers(threadCounts, { tflite, openvino }) {
  const modules = installPeers();
  const python = pythonEnv('bench');
  const env = {
    EDGE_INFER_DIST: path.join(root, 'dist', 'index.js'),
    EDGE_INFER_TFLITE: tflite,
    EDGE_INFER_OPENVINO: openvino,
    PEER_MODULES: modules,
  };
  const why = compileTfjs(modules);
  const peers = threadCounts.flatMap((threads) => {
    const words = threads === 1 ? '1 thread' : `${threads} threads`;
    const ours = (device) =>
      Peer.node(`edge-infer ${device}, ${words}`, 'edge-infer.mjs', { env, options: { threads, device } });
    return [
      ours('tflite:cpu'),
      Peer.python(`Python ai-edge-litert, ${words}`, python, 'python_litert.py', { options: { threads } }),
      ours('openvino:cpu'),
      ...(why === null
        ? [Peer.node(`tfjs-tflite-node, ${words}`, 'tfjs-tflite-node.mjs', { env, options: { threads } })]
        : []),
    ];
  });
  const litert = outputOf(python, ['-c', 'from importlib.metadata import version; print(version("ai-edge-litert"))']);
  return {
    peers,
    leftOut: why === null ? [] : [{ name: 'tfjs-tflite-node', why }],
    versions: [
      `ai-edge-litert ${litert?.trim()}`,
      `tfjs-tflite-node ${peerVersion(modules, 'tfjs-tflite-node')} with tfjs ${peerVersion(modules, '@tensorflow/tfjs-core')}`,
    ],
  };
}

/** Starts the peers and opens the model in each. One that cannot is left out. `sdks`: versions by the devices' names. */
export async function startPeers(peers, file) {
  const started = [];
  const leftOut = [];
  const sdks = {};
  for (const peer of peers) {
    peer.start();
    try {
      const { version } = await peer.open({ file, shape: [], inFlight: 1 });
      if (version) sdks[peer.options.device] = version;
      started.push(peer);
    } catch (error) {
      leftOut.push({ name: peer.name, why: error.message.split('\n')[0].replace(`${peer.name}: `, '') });
      await peer.end();
    }
  }
  if (started.length === 0) throw new Sentence('no peer could be started.');
  return { started, leftOut, sdks };
}

/** Each peer in turn, beginning with another one each time, while the others wait. */
export async function peersRound(peers, index, ms, results) {
  for (let i = 0; i < peers.length; i++) {
    const peer = peers[(index + i) % peers.length];
    const { times } = await peer.ask('latency', { ms });
    results.add(peer.name, 'p50Us', median(times));
    results.add(peer.name, 'p90Us', quantile(times, 0.9));
    if (peer.node) results.add(peer.name, 'delayP99Ms', (await peer.ask('delay', { ms })).addedP99Ms);
  }
}

export async function peersMemory(peers, runs, results) {
  for (const peer of peers) {
    process.stderr.write(`\r${peer.name}: memory over ${runs} runs   `);
    const { grownMb, rssMb } = await peer.ask('memory', { runs });
    results.add(peer.name, 'grownMb', grownMb);
    results.add(peer.name, 'rssMb', rssMb);
  }
}
