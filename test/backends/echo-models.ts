/** What the conformance suite asks of a backend, in models of echo. */
import type { Shape } from '../../lib/types.js';
import { echo } from '../support/echo.js';
import type { ConformanceBackend, Loadable } from './conformance.js';

function dims(shape: Shape): string {
  return shape.length === 0 ? '-' : shape.map((dim) => (dim < 0 ? '?' : dim)).join(',');
}

/** As C++'s std::quoted reads it. */
function quoted(name: string): string {
  return `"${name.replace(/["\\]/g, '\\$&')}"`;
}

function model(...lines: string[]): Loadable {
  return { source: echo(...lines) };
}

export const echoBackend: ConformanceBackend = {
  device: 'echo:cpu',
  models: {
    identity: (dtype, shape, [x, y] = ['x', 'y']) =>
      model(`input ${quoted(x)} ${dtype} ${dims(shape)}`, `output ${quoted(y)} = identity ${quoted(x)}`),
    add: (number, shape) => model(`input x f32 ${dims(shape)}`, `output y = add x ${number}`),
    pair: () => model('input a f32 2,2', 'input b i32 3', 'output p = add a 1', 'output q = identity b'),
    nonzero: (length) => model(`input x f32 ${length}`, 'output y = nonzero x'),
    slow: () => model('input x f32 1', 'output y = add x 1', 'delay_ms 300'),
    long: () => model('input x f32 1', 'output y = add x 1', 'delay_ms 100000'),
  },
};
