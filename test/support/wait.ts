/** Waiting for what native threads and the garbage collector do in their own time. */
import v8 from 'node:v8';
import vm from 'node:vm';

/** Resolves when the condition holds; rejects after a time that no machine needs. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = Date.now() + 90_000;
  while (!condition()) {
    if (Date.now() > limit) throw new Error(`Waited too long for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A turn of the event loop, and more for what it started. */
export async function turns(count = 1): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** What the promise rejects with; fails where it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`Expected a rejection, got ${String(value)}.`);
}

/** What the function throws; fails where it returns. */
export function thrown(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('Expected an exception.');
}

v8.setFlagsFromString('--expose-gc');
v8.setFlagsFromString('--allow-natives-syntax');
// Or V8 forgets the code of a function that has not run for a while, and compiles it anew, when it may not any more.
v8.setFlagsFromString('--no-flush-bytecode');
/** Detaches a buffer as V8 does when it is transferred, whoever owns its memory. */
export const detach = vm.runInNewContext('(buffer) => %ArrayBufferDetach(buffer)') as (buffer: ArrayBuffer) => void;
detach(new ArrayBuffer(1)); // compiled now, while it may be
v8.setFlagsFromString('--no-allow-natives-syntax');

/** Collects all garbage now. */
export const collect = vm.runInNewContext('gc') as () => void;
