/** Echo models as bytes, and their loading. The format is described in native/backends/echo/echo.h. */
import { loadModel } from '../../lib/index.js';
import type { Model } from '../../lib/model.js';
import type { LoadOptions } from '../../lib/types.js';

/** The lines of an echo model after its first. */
export function echo(...lines: readonly string[]): Uint8Array {
  return new TextEncoder().encode(['echo 1', ...lines, ''].join('\n'));
}

/** y = x + 1 over one f32 value, with more settings as lines. */
export function echoPlusOne(...lines: readonly string[]): Uint8Array {
  return echo('input x f32 1', 'output y = add x 1', ...lines);
}

export function loadEcho(source: Uint8Array, options: LoadOptions = {}): Promise<Model> {
  return loadModel(source, { device: 'echo', ...options });
}
