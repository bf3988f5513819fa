/** The SDKs that the locator can look for, and which of them a backend takes. A new SDK is one more row. */

export interface Sdk {
  /** The environment variable that names its library or the library's folder. */
  readonly variable: string;
  /** File names of its library; the first group is the release, as dotted numbers. */
  readonly library: RegExp;
  /** How the file is called in messages. */
  readonly libraryName: string;
  /** Where the library lies below a folder of the SDK: tried in this order, the folder itself first. */
  readonly folders: readonly string[];
  /**
   * The pinned part of runtimes/manifest.json that holds it, with what stands between its id and the platform in the
   * folder's name; null where no registry has it.
   */
  readonly part: { readonly id: string; readonly release: string } | null;
  /** How it is had where there is no part; ends a sentence that begins "Install". */
  readonly otherwise: string;
  /** npm packages that carry the library. */
  readonly npm: readonly string[];
  /** Below a Python site-packages folder. */
  readonly python: readonly string[];
  /** Environment variables that the vendor's own scripts set to the SDK's folder. */
  readonly vendorVariables: readonly string[];
  /** The vendor's usual folders; `*` within a name, the newest is taken first. */
  readonly vendor: readonly string[];
}

/** OpenVINO's archives name their folder of libraries by Intel's word for the architecture. */
const openvinoArchitecture = process.arch === 'arm64' ? 'aarch64' : process.arch === 'x64' ? 'intel64' : process.arch;
/** Maven names platforms as Java does, Coral's archive by Bazel's words. */
const javaArchitecture = process.arch === 'x64' ? 'x86_64' : process.arch;
const coralArchitecture = process.arch === 'x64' ? 'k8' : process.arch === 'arm64' ? 'aarch64' : 'armv7a';

export const sdks = {
  openvino: {
    variable: 'EDGE_INFER_OPENVINO',
    library: /^libopenvino_c\.so(?:\.(\d+(?:\.\d+)*))?$/,
    libraryName: 'libopenvino_c.so',
    folders: [
      'openvino/libs',
      'libs',
      `runtime/lib/${openvinoArchitecture}`,
      `lib/${openvinoArchitecture}`,
      'lib',
      'bin',
    ],
    // Not `openvino-2025.4-2025.4.1-linux-x64`: such parts are for tests.
    part: { id: 'openvino', release: '[^-]+' },
    otherwise: 'OpenVINO',
    npm: ['openvino-node', `@edge-infer/openvino-${process.platform}-${process.arch}`],
    python: ['openvino/libs'],
    vendorVariables: ['INTEL_OPENVINO_DIR', 'OpenVINO_DIR'],
    vendor: ['/opt/intel/openvino*', '/usr/local/openvino*'],
  },
  tflite: {
    variable: 'EDGE_INFER_TFLITE',
    // All of these export the C API. `libtensorflow-lite.so` is left out: it need not have more than the C++ one.
    library: /^lib(?:tensorflowlite_c|tensorflowlite_jni|jnitensorflowlite)\.so(?:\.(\d+(?:\.\d+)*))?$/,
    libraryName: 'libtensorflowlite_c.so',
    folders: [
      `org/bytedeco/tensorflowlite/${process.platform}-${javaArchitecture}`,
      `cc_deps/${process.platform}_${process.arch === 'x64' ? 'amd64' : process.arch}`,
      'lib',
    ],
    part: { id: 'tflite', release: '[^-]+-[^-]+' },
    otherwise: 'TFLite',
    npm: ['tfjs-tflite-node'],
    // Python's packages hide the C API (tflite-runtime) or have another one (ai-edge-litert).
    python: [],
    vendorVariables: [],
    vendor: [],
  },
  edgetpu: {
    variable: 'EDGE_INFER_EDGETPU',
    library: /^libedgetpu\.so(?:\.(1(?:\.\d+)*))?$/,
    libraryName: 'libedgetpu.so.1',
    // Coral's archive has both; at the reduced clock, which is the vendor's default, the stick stays cool.
    folders: [`libedgetpu/throttled/${coralArchitecture}`, `libedgetpu/direct/${coralArchitecture}`, 'lib'],
    part: null,
    otherwise: "the Edge TPU runtime (package libedgetpu1-std of Coral's repository for Debian, or Coral's archive)",
    npm: [],
    python: [],
    vendorVariables: [],
    vendor: ['/opt/edgetpu*', '/usr/local/edgetpu*'],
  },
  cuda: {
    variable: 'EDGE_INFER_CUDA',
    // Not `libcuda.so`: that is also the name of the toolkit's stub, which has no driver behind it.
    library: /^libcuda\.so\.(1)$/,
    libraryName: 'libcuda.so.1',
    folders: ['lib64', 'lib'],
    part: null,
    otherwise:
      "the NVIDIA driver of the machine's GPU (on Jetson boards it is part of JetPack, in containers the NVIDIA container toolkit brings it)",
    npm: [],
    python: [],
    vendorVariables: [],
    vendor: [
      '/usr/lib/aarch64-linux-gnu/nvidia',
      '/usr/lib/aarch64-linux-gnu/tegra',
      '/usr/local/nvidia*',
      '/usr/lib/wsl',
    ],
  },
  tensorrt: {
    variable: 'EDGE_INFER_TENSORRT',
    library: /^libnvinfer\.so\.((?:8|10|11)(?:\.\d+)*)$/,
    libraryName: 'libnvinfer.so',
    folders: ['lib', `targets/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/lib`],
    part: null,
    otherwise:
      "TensorRT 8 or newer (on Jetson boards it is part of JetPack 4.6 and newer; elsewhere NVIDIA's archive, or Python's package tensorrt-cu12)",
    npm: [],
    python: ['tensorrt_libs'],
    vendorVariables: ['TENSORRT_DIR'],
    vendor: ['/usr/local/TensorRT*', '/opt/TensorRT*', '/usr/local/tensorrt*', '/opt/tensorrt*'],
  },
} as const satisfies Record<string, Sdk>;

export type SdkName = keyof typeof sdks;

/** An SDK of a backend. */
export interface BackendSdk {
  readonly name: SdkName;
  /** The backend works without it, only not all of its devices. */
  readonly optional?: boolean;
}

/** The SDKs of each backend, in the order in which the backend expects their libraries. Others need none. */
const byBackend = new Map<string, readonly BackendSdk[]>([
  ['openvino', [{ name: 'openvino' }]],
  ['tflite', [{ name: 'tflite' }, { name: 'edgetpu', optional: true }]],
  // The driver first: without it TensorRT is of no use, and that is what to say.
  ['tensorrt', [{ name: 'cuda' }, { name: 'tensorrt' }]],
]);

export const backendsWithSdks: readonly string[] = [...byBackend.keys()];

export function sdksOf(backend: string): readonly BackendSdk[] {
  return byBackend.get(backend) ?? [];
}
