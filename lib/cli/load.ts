/** How commands load a model: the options they share, and that the model is disposed of whatever happens. */
import { loadModel } from '../index.js';
import type { Model } from '../index.js';
import type { LoadOptions, Precision } from '../types.js';
import { UsageError, type Args, type OptionTable } from './args.js';
import { LoadFailure } from './output.js';
import type { Ui } from './ui.js';

export const loadOptionTable: OptionTable = {
  device: { value: 'D[,D]', help: 'device, or several to be tried in order; default auto' },
  precision: { value: 'P', help: "f32, f16, bf16, i8 or auto; default the model's own" },
  threads: { value: 'N', help: 'CPU threads; default the SDK decides' },
  streams: { value: 'N', help: 'parallel execution streams; default the SDK decides' },
  hint: { value: 'H', help: 'latency or throughput' },
  shapes: { value: 'NAME=1x3x224x224', help: 'fixes the shape of an input', multiple: true },
  signature: { value: 'NAME', help: 'runs this signature of a TFLite model; default its first graph' },
  isolate: { help: 'runs the device in a process of its own' },
  probe: { help: "tries a stranger's model in a throw-away process first" },
  partial: { help: 'layers that the device refuses may run on the CPU' },
  cache: { help: "keep the compiled model in the user's cache folder" },
  property: { value: 'K=V', help: 'property of the SDK, passed through', multiple: true },
};

// A run that hangs must not keep the program from ending.
const disposeTimeoutMs = 3000;

/** Commas part devices; those after a composition without a backend of their own are its members: `openvino:hetero:gpu,cpu`. */
function splitDevices(text: string | undefined): string[] | undefined {
  return text?.split(',').reduce<string[]>((devices, part) => {
    const name = part.trim();
    const last = devices[devices.length - 1] ?? '';
    const isMember = /^[^:]+:(auto|hetero|multi|batch):/i.test(last) && name !== '' && !name.includes(':');
    return isMember ? [...devices.slice(0, -1), `${last},${name}`] : [...devices, name];
  }, []);
}

/** Reads the shared options. Throws `UsageError`. */
export function loadOptionsOf(args: Args): LoadOptions {
  const device = splitDevices(args.text('device'));
  if (device?.includes('') === true) throw new UsageError('Expected --device to be a device or several with commas.');
  const precision = args.text('precision');
  const threads = args.integer('threads', 1);
  const streams = args.integer('streams', 1);
  const performanceHint = args.choice('hint', ['latency', 'throughput']);
  const shapes = args.shapes('shapes');
  const signature = args.text('signature');
  const properties = args.pairs('property');
  return {
    ...(device !== undefined && { device: device.length === 1 ? (device[0] ?? '') : device }),
    // The library checks it, and accepts more spellings than the type says.
    ...(precision !== undefined && { precision: precision as Precision }),
    ...(threads !== undefined && { threads }),
    ...(streams !== undefined && { streams }),
    ...(performanceHint !== undefined && { performanceHint }),
    ...(shapes.size > 0 && { shapes: Object.fromEntries(shapes) }),
    ...(signature !== undefined && { signature }),
    ...(args.flag('isolate') && { isolate: true }),
    ...(args.flag('probe') && { trust: 'probe' as const }),
    ...(args.flag('partial') && { partial: 'allow' }),
    ...(args.flag('cache') && { cache: true }),
    ...(properties.length > 0 && { properties: Object.fromEntries(properties) }),
  };
}

/** A misspelt name would otherwise leave an input as it is, without a word. */
function checkNames(model: Model, options: LoadOptions): void {
  const names = model.inputs.map((input) => input.name);
  const unknown = Object.keys(options.shapes ?? {}).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  throw new UsageError(`The model has no input '${unknown}' for --shapes; it has ${names.join(', ')}.`);
}

/** Loads the model, hands it to `use` and disposes of it. Throws `LoadFailure` where it does not load. */
export async function withModel<T>(
  file: string,
  options: LoadOptions,
  ui: Ui,
  use: (model: Model) => Promise<T>,
): Promise<T> {
  let model: Model;
  try {
    model = await loadModel(file.startsWith('file:') ? new URL(file) : file, {
      ...options,
      onProgress: ({ stage, device, phase = '', fraction }) => {
        const label = `${file}: ${stage} on ${device}`;
        if (fraction === undefined) ui.status(`${label} …`);
        else ui.progress(label, fraction, `${Math.floor(fraction * 100)} % ${phase}`);
      },
    });
  } catch (error) {
    throw new LoadFailure(error);
  } finally {
    ui.clear();
  }
  try {
    checkNames(model, options);
    return await use(model);
  } finally {
    // A failing disposal must not hide the result, nor the error that came before it.
    await model.dispose({ timeoutMs: disposeTimeoutMs }).catch((error: unknown) => {
      ui.message(`edge-infer: the model was not disposed of: ${(error as Error).message}`);
    });
  }
}
