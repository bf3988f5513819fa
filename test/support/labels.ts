/** Drawn labels and PP-OCRv4: the networks' files, their inputs, and the text that their outputs mean. */
import fs from 'node:fs';
import path from 'node:path';
import type { Tensor } from '../../lib/types.js';
import { root } from './child.js';
import type { Folder } from './folder.js';
import { f32 } from './onnxruntime.js';
import { textOf } from './python.js';

const models = path.join(root, 'node_modules', '@gutenye', 'ocr-models', 'assets');
export const detectorFile = path.join(models, 'ch_PP-OCRv4_det_infer.onnx');
export const recognizerFile = path.join(models, 'ch_PP-OCRv4_rec_infer.onnx');

interface InputFile {
  readonly shape: readonly number[];
  readonly file: string;
}

function tensor({ shape, file }: InputFile): Tensor {
  return f32(shape, new Float32Array(Uint8Array.from(fs.readFileSync(file)).buffer));
}

/** Its steps are programs, which leave their files in the folder. */
export class Labels {
  readonly #folder: Folder;

  constructor(folder: Folder) {
    this.#folder = folder;
  }

  readonly #step = <T>(name: string, ...args: string[]): T => {
    const script = path.join(root, 'test', 'support', 'label-steps.mjs');
    return JSON.parse(textOf(process.execPath, [script, name, this.#folder.path, ...args])) as T;
  };

  readonly #write = (name: string, { data }: Tensor): string =>
    this.#folder.write(name, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

  /** A label: what is printed on it, and the detector's input. */
  readonly draw = (seed: number): { lines: readonly string[]; picture: Tensor } => {
    const { lines, ...file } = this.#step<InputFile & { lines: string[] }>('draw', String(seed));
    return { lines, picture: tensor(file) };
  };

  /** The recognizer's input for each line that the detector has found. */
  readonly crops = (map: Tensor): Tensor[] => this.#step<InputFile[]>('crop', this.#write('map', map)).map(tensor);

  readonly decode = (outputs: readonly Tensor[]): string[] =>
    this.#step('decode', ...outputs.map((output, i) => this.#write(`line-${i}.out`, output)));
}
