// What is measured: one model loaded once for every way to run it, and the native loops that it is compared with.
import { createRequire } from 'node:module';
import path from 'node:path';
import { root } from '../scripts/root.mjs';
import { fill } from './fill.mjs';
import { loadModel, locate, nativeLoop } from './requests.mjs';

const addon = path.join(root, 'build', 'bench-addon', 'Release', 'edge_bench.node');
const { OpenVinoLoop } = createRequire(import.meta.url)(addon);

export const library = locate('openvino').library;

const threads = 2;
export const inFlight = 4;
/** `streams` and the hint of the two set-ups; everything else is the same. */
const setups = {
  latency: { streams: 1, performanceHint: 'latency' },
  throughput: { streams: 2, performanceHint: 'throughput' },
};

/** What must agree between the library's model and the native loop's, by OpenVINO's names. */
const compared = [
  'INFERENCE_PRECISION_HINT',
  'NUM_STREAMS',
  'INFERENCE_NUM_THREADS',
  'PERFORMANCE_HINT',
  'ENABLE_CPU_PINNING',
  'SCHEDULING_CORE_TYPE',
];

/** The ways to run it: name → advanced options. */
export const dispatches = {
  lane: { dispatch: 'lane' },
  spin: { dispatch: 'lane', wait: 'spin' },
  inline: { dispatch: 'inline' },
  async: { dispatch: 'async' },
  auto: { dispatch: 'auto' },
};

/** One model of the library, loaded for one way to run it, with requests of its own. */
export class Subject {
  static async load(model, setup, dispatch, requests) {
    const loaded = await loadModel(model.file, {
      device: 'openvino:cpu',
      precision: 'f32',
      threads,
      ...setups[setup],
      shapes: model.shapes,
      advanced: dispatches[dispatch],
    });
    return new Subject(loaded, requests);
  }

  constructor(model, requests) {
    this.model = model;
    this.requests = Array.from({ length: requests }, () => model.createRequest());
    for (const request of this.requests) {
      for (const tensor of Object.values(request.inputs)) fill(tensor.data);
    }
    [this.request] = this.requests;
    this.plainInputs = Object.fromEntries(
      Object.entries(this.request.inputs).map(([name, tensor]) => [name, tensor.data.slice()]),
    );
  }

  /** The native loop over the first request: microseconds of each run. */
  nativeLoop(microseconds) {
    nativeLoop(this.request, microseconds);
  }

  get properties() {
    return pick((key) => this.model.info.properties[key] ?? null);
  }

  async close() {
    for (const request of this.requests) request.dispose();
    await this.model.dispose();
  }
}

/** The same model without the library: see bench/native/openvino_loop.cc. */
export class NativeLoop {
  constructor(model, setup, requests) {
    const { streams, performanceHint } = setups[setup];
    const properties = {
      INFERENCE_PRECISION_HINT: 'f32',
      INFERENCE_NUM_THREADS: threads,
      NUM_STREAMS: streams,
      PERFORMANCE_HINT: performanceHint.toUpperCase(),
    };
    const words = Object.entries(properties).flat().map(String);
    const [shape = []] = Object.values(model.shapes);
    this.loop = new OpenVinoLoop(library, model.file, shape, words, requests);
  }

  get properties() {
    return pick((key) => this.loop.property(key));
  }

  close() {
    this.loop.close();
  }
}

function pick(get) {
  return Object.fromEntries(compared.map((key) => [key, get(key)]));
}

/** Two models compiled differently cannot be compared: says which properties differ, or returns what is in force. */
export function sameProperties(subject, nativeLoop) {
  const ours = subject.properties;
  const theirs = nativeLoop.properties;
  const different = compared.filter((key) => ours[key] !== theirs[key]);
  if (different.length === 0) return ours;
  const words = different.map((key) => `${key}: ${ours[key]} here, ${theirs[key]} in the native loop`);
  throw new Error(`The models are not compiled alike: ${words.join('; ')}.`);
}
