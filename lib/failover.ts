/** The `failover` option: whether a model moves when its device is lost, and when it returns. */
import { integerOption, invalidOption } from './options.js';
import type { NativeGroupOptions } from './native.js';
import type { LoadOptions } from './types.js';

const maxMs = 2 ** 31 - 1;

/** Checked; pools without `failover` are probed in the same way, but runs are not made again. */
export function failoverOption({ failover }: LoadOptions): Pick<NativeGroupOptions, 'retry' | 'probeMs' | 'healthyMs'> {
  if (typeof failover !== 'boolean' && failover !== undefined && (typeof failover !== 'object' || failover === null)) {
    throw invalidOption('failover', 'true, false or an object', failover);
  }
  const given = typeof failover === 'object' ? failover : {};
  return {
    retry: failover !== undefined && failover !== false,
    probeMs: integerOption('failover.probeMs', given.probeMs, 1, maxMs, 250),
    healthyMs: integerOption('failover.healthyMs', given.healthyMs, 0, maxMs, 2000),
  };
}
