/** `listBackends`: what this machine can run on, and why not where it cannot. */
import { InferenceError } from './errors.js';
import { locateSdks, openedLibraries } from './sdk-library.js';
import { call, native, type NativeBackend } from './native.js';
import type { BackendInfo } from './types.js';

export interface ListOptions {
  /** Also backends that are there for tests only (`echo`). */
  readonly all?: boolean;
  /** As for `loadModel`. */
  readonly libraries?: Readonly<Record<string, string>>;
}

/** Opens every backend of this binary, if it is not open yet, and lists its devices. Rejects only without a binary. */
export async function listBackends(options: ListOptions = {}): Promise<BackendInfo[]> {
  const binding = native();
  const names = binding.backends().filter((name) => options.all === true || name !== 'echo');
  return Promise.all(
    names.map(async (name): Promise<BackendInfo> => {
      const location = locateSdks(name, options.libraries);
      const { searched } = location;
      try {
        const library = location.require();
        const opened = await call<NativeBackend>((token) => binding.openBackend(token, name, library));
        const libraries = openedLibraries(name, opened.library);
        return {
          name,
          available: opened.devices.length > 0,
          version: opened.version,
          library: libraries[name] ?? null,
          libraries,
          devices: opened.devices.map((device) => ({ ...device, id: `${name}:${device.id}` })),
          error: null,
          searched,
        };
      } catch (error) {
        const { code, message, remedy } = error as InferenceError;
        return {
          name,
          available: false,
          version: null,
          library: null,
          libraries: {},
          devices: [],
          error: { code, message, remedy },
          searched,
        };
      }
    }),
  );
}
