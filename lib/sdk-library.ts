/** From a backend's name to the libraries of the SDKs that it needs. */
import { InferenceError } from './errors.js';
import { locate, type Location } from './locate.js';
import { sdks, sdksOf, type Sdk, type SdkName } from './sdks.js';
import type { SearchedPlace } from './types.js';

export interface SdkLibraries {
  readonly searched: readonly SearchedPlace[];
  /** Paths by the SDK's name, of those that were found. */
  readonly found: Readonly<Record<string, string>>;
  /**
   * What native code opens: the library's path, or for a backend of several SDKs one path a line, in their order, and an
   * empty line for an optional one that is not here. '' for backends that need none. Throws `ERR_UNAVAILABLE` with what
   * to do.
   */
  require(): string;
}

/** What the user named, if it is that which was looked at. */
function explicitPlace({ searched }: Location): SearchedPlace | undefined {
  return searched.find((place) => place.source === 'option' || place.source === 'environment');
}

function notFound(backend: string, name: SdkName, location: Location): InferenceError {
  const sdk: Sdk = sdks[name];
  const explicit = explicitPlace(location);
  if (explicit !== undefined) {
    const origin = explicit.source === 'option' ? '`libraries` option' : `variable ${sdk.variable}`;
    return new InferenceError(
      'ERR_UNAVAILABLE',
      `The library of ${name} is not at ${explicit.path} (${explicit.note}).`,
      {
        backend,
        remedy: `Correct the ${origin}, or leave it out to search the usual places.`,
      },
    );
  }
  const install =
    sdk.part === null ? `Install ${sdk.otherwise}` : `Run \`npx edge-infer runtimes install ${sdk.part.id}\``;
  return new InferenceError(
    'ERR_UNAVAILABLE',
    `The library of ${name}, ${sdk.libraryName}, was not found on this machine.`,
    {
      backend,
      remedy: `${install}, or set ${sdk.variable} to its folder; \`npx edge-infer doctor\` shows where was looked.`,
    },
  );
}

/** Looks for the SDKs of a backend. `options` names libraries by SDK, as the load option `libraries`. */
export function locateSdks(backend: string, options: Readonly<Record<string, string>> = {}): SdkLibraries {
  const located = sdksOf(backend).map((sdk) => ({ ...sdk, location: locate(sdk.name, options[sdk.name]) }));
  const found = located.flatMap(({ name, location }) => (location.library === null ? [] : [[name, location.library]]));
  return {
    searched: located.flatMap(({ location }) => location.searched),
    found: Object.fromEntries(found) as Record<string, string>,
    require() {
      const paths = located.map(({ name, optional, location }) => {
        // An optional one that is named and is not there is an error too: another one would surprise.
        const needed = optional !== true || explicitPlace(location) !== undefined;
        if (location.library === null && needed) throw notFound(backend, name, location);
        return location.library ?? '';
      });
      return paths.join('\n');
    },
  };
}

/** What native code says that it opened, as `require()` wrote it, by the SDK's name. */
export function openedLibraries(backend: string, opened: string): Record<string, string> {
  const paths = opened.split('\n');
  const pairs = sdksOf(backend).map(({ name }, i): [string, string] => [name, paths[i] ?? '']);
  return Object.fromEntries(pairs.filter(([, path]) => path !== ''));
}
