/** Python's onnx: what it says of models, and the schemas of its operators. */
import path from 'node:path';
import type { Folder } from './folder.js';
import { python, textOf } from './python.js';

const program = path.join(__dirname, 'onnx_check.py');

/** What ONNX's checker and its type inference find wrong with each model; null where nothing is. */
export function complaints(folder: Folder, models: readonly Uint8Array[]): (string | null)[] {
  const files = models.map((model, i) => folder.write(`checked-${i}.onnx`, model));
  return JSON.parse(textOf(python(), [program, 'check', ...files])) as (string | null)[];
}

/** The files of a model for every test of a single operator that the package has. */
export function operatorModels(folder: Folder): string[] {
  return JSON.parse(textOf(python(), [program, 'operators', folder.path])) as string[];
}

export interface SchemaPort {
  /** The name of a type variable, or one type. */
  readonly type: string;
  readonly allows: readonly ('f32' | 'f16' | 'bf16')[];
}

export interface Schema {
  readonly name: string;
  readonly since: number;
  readonly inputs: readonly SchemaPort[];
  readonly outputs: readonly SchemaPort[];
}

export function schemas(): Schema[] {
  return JSON.parse(textOf(python(), [program, 'schemas'])) as Schema[];
}
