/** What the conformance suite asks of a backend, in models for OpenVINO's CPU. */
import type { Dtype } from '../../lib/types.js';
import { addIr, copyOf, identityIr, Ir, nonZeroIr, slowIr, type IrModel } from '../support/ir.js';
import type { ConformanceBackend, Loadable } from './conformance.js';
import { release } from './openvino/models.js';

function loadable({ xml, bin }: IrModel, options: Loadable['options'] = {}): Loadable {
  return { source: xml, options: bin.length === 0 ? options : { weights: bin, ...options } };
}

function irType(dtype: Dtype): string {
  return dtype === 'bool' ? 'boolean' : dtype;
}

function pair(): IrModel {
  const ir = new Ir();
  const a = ir.parameter('a', 'f32', [2, 2]);
  const b = ir.parameter('b', 'i32', [3]);
  ir.result(ir.binary('Add', a, ir.constant('f32', [], Float32Array.of(1)), 'p'));
  ir.result(copyOf(ir, b, 'q'));
  return ir.build();
}

export const openvinoBackend: ConformanceBackend = {
  device: 'openvino:cpu',
  edges: {
    // OpenVINO's CPU device computes f64 in f32, and i64 and u64 in i32.
    f64: Float64Array.of(NaN, -0, -3.4028234663852886e38, 3.4028234663852886e38, 0.5),
    i64: BigInt64Array.of(-(2n ** 31n), 2n ** 31n - 1n, 0n, -1n, 65_537n),
    u64: BigUint64Array.of(0n, 2n ** 31n - 1n, 1n, 65_537n, 2n ** 30n),
    // Before 2025 also u32.
    ...(release < 2025 ? { u32: Uint32Array.of(0, 2_147_483_647, 1, 65_537, 1_073_741_824) } : {}),
  },
  models: {
    identity: (dtype, shape, names) => loadable(identityIr(irType(dtype), shape, names)),
    add: (number, shape) => loadable(addIr(number, shape)),
    pair: () => loadable(pair()),
    nonzero: (length) => loadable(nonZeroIr([length])),
    slow: () => loadable(slowIr(30, 1024)),
    long: () => loadable(slowIr(800, 1024)),
  },
};
