/** Engines for the simulated TensorRT (test/simulators/nvinfer), and what the simulated driver is told. */
import fs from 'node:fs';
import path from 'node:path';
import type { Dtype, Shape } from '../../lib/types.js';

/** The major version of the simulated TensorRT that the environment names. */
export const major = Number(/\.so\.(\d+)$/.exec(process.env['EDGE_INFER_TENSORRT'] ?? '')?.[1] ?? 0);

/** Whether that has tensors by name, and tells of its layers: 8.2 does not. */
export const byName = !(process.env['EDGE_INFER_TENSORRT'] ?? '').includes('nvinfer-8.2');

/** As C++'s std::quoted reads it. */
function quoted(name: string): string {
  return `"${name.replace(/["\\]/g, '\\$&')}"`;
}

export function input(name: string, dtype: Dtype, shape: Shape, more = ''): string {
  const dims = shape.length === 0 ? '-' : shape.map((dim) => (dim < 0 ? '?' : dim)).join(',');
  return `input ${quoted(name)} ${dtype} ${dims} ${more}`;
}

export function output(name: string, operation: string, of: string, number = ''): string {
  return `output ${quoted(name)} ${operation} ${quoted(of)} ${number}`;
}

/** An engine of these lines; README.md has the format. */
export function engine(...lines: string[]): Uint8Array {
  return new TextEncoder().encode(`ftrt edge-infer-simulator ${major}\n${lines.join('\n')}\nend\n`);
}

/** Tells the driver what there is and what goes wrong from now on: test/simulators/cuda/README.md. */
export function tellDriver(...lines: string[]): void {
  const file = path.join(process.env['EDGE_INFER_CUDA_SIMULATOR'] ?? '', 'control');
  fs.writeFileSync(`${file}.new`, lines.map((line) => `${line}\n`).join(''));
  fs.renameSync(`${file}.new`, file);
}
