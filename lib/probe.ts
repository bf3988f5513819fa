/** `trust: 'probe'`: a stranger's model is loaded and run once in a throw-away host before it may come nearer. */
import { zeros } from './dtypes.js';
import { InferenceError } from './errors.js';
import type { Model } from './model.js';
import type { Inputs, TensorSpec } from './types.js';

/** Zeros of shapes that the inputs allow: dimensions that are decided per run are 1. */
function someInputs(specs: readonly TensorSpec[]): Inputs {
  const inputs = Object.create(null) as Record<string, Inputs[string]>;
  for (const { name, dtype, shape } of specs) {
    const concrete = (shape ?? []).map((size) => (size < 0 ? 1 : size));
    inputs[name] = { data: zeros(dtype, concrete), shape: concrete };
  }
  return inputs;
}

/** What killed or stopped the host is the model's fault; what it refused in words, it would refuse here as well. */
function verdict(error: unknown): unknown {
  if (!(error instanceof InferenceError) || error.code !== 'ERR_DEVICE_LOST') return error;
  return new InferenceError('ERR_INVALID_MODEL', `The model was tried in a process of its own. ${error.message}`, {
    remedy: 'Do not load it here: it brings the process down. Get the model from its source again, or report it.',
    backend: error.backend,
    cause: error,
  });
}

/** `load` makes the model in a throw-away host. Rejects where it should not be loaded into this process. */
export async function probe(load: () => Promise<Model>): Promise<void> {
  let model: Model | undefined;
  try {
    model = await load();
    await model.run(someInputs(model.inputs));
  } catch (error) {
    // A run that fails in words for want of sensible inputs has not done any harm.
    const harmless = model !== undefined && error instanceof InferenceError && error.code !== 'ERR_DEVICE_LOST';
    if (!harmless) throw verdict(error);
  } finally {
    await model?.dispose({ timeoutMs: 1000 });
  }
}
