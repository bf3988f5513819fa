/** The one suite that every backend passes. A backend's test file brings its models and calls `conformance`. */
import { cancel } from './conformance/cancel.js';
import { concurrency } from './conformance/concurrency.js';
import { copies } from './conformance/copies.js';
import { deadline } from './conformance/deadline.js';
import { dispatch } from './conformance/dispatch.js';
import { dispose } from './conformance/dispose.js';
import type { ConformanceBackend } from './conformance/harness.js';
import { inputs } from './conformance/inputs.js';
import { memory } from './conformance/memory.js';
import { oddNames } from './conformance/names.js';
import { tensors } from './conformance/tensors.js';
import { timings } from './conformance/timings.js';

export type { ConformanceBackend, ConformanceModels, Loadable } from './conformance/harness.js';

export function conformance(backend: ConformanceBackend): void {
  describe('tensors', () => tensors(backend));
  describe('copies', () => copies(backend));
  describe('concurrency', () => concurrency(backend));
  describe('cancel', () => cancel(backend));
  describe('deadline', () => deadline(backend));
  describe('dispose', () => dispose(backend));
  describe('memory', () => memory(backend));
  describe('inputs', () => inputs(backend));
  describe('names', () => oddNames(backend));
  describe('timings', () => timings(backend));
  describe('dispatch', () => dispatch(backend));
}
