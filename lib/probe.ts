/** `trust: 'probe'`: a stranger's model is loaded, run once and destroyed in a throw-away host before it may come nearer. */
import { InferenceError } from './errors.js';

/** What killed or stopped the host is the model's fault; what it refused in words, it would refuse here as well. */
function verdict(error: unknown): unknown {
  if (!(error instanceof InferenceError) || error.code !== 'ERR_DEVICE_LOST') return error;
  return new InferenceError('ERR_INVALID_MODEL', `The model was tried in a process of its own. ${error.message}`, {
    remedy: 'Do not load it here: it brings the process down. Get the model from its source again, or report it.',
    backend: error.backend,
    cause: error,
  });
}

/** `trial` is all of that in the host. Rejects where the model should not be loaded into this process. */
export async function probe(trial: () => Promise<unknown>): Promise<void> {
  try {
    await trial();
  } catch (error) {
    throw verdict(error);
  }
}
