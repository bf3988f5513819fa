/** One side of a comparison, as the command line names it: `openvino:cpu:f32` is a device and a precision. */
import { parsePrecision } from '../dtypes.js';
import type { Precision } from '../types.js';
import { UsageError } from './args.js';

export interface Side {
  readonly device: string;
  /** Undefined: the model's own. */
  readonly precision: Precision | undefined;
}

const spellings = /^(f32|fp32|float32|f16|fp16|float16|bf16|bfloat16)$/i;
const classes = /^(auto|cpu|gpu|npu|edgetpu)$/i;
// What people write for a precision that no load option has.
const numeric = /^(int|uint|i|u|fp|float|f|bf|bfloat)\d+$/i;

/**
 * Reads DEVICE[:PRECISION]. `auto` is a precision only behind a whole device (`cpu:auto`, `openvino:cpu:auto`): behind a
 * backend's name it is OpenVINO's device of that name. Throws `UsageError`.
 */
export function parseSide(option: string, text: string): Side {
  const at = text.lastIndexOf(':');
  const device = text.slice(0, Math.max(at, 0));
  const last = text.slice(at + 1);
  const wrong = (why: string): UsageError =>
    new UsageError(`Expected --${option} to be DEVICE[:PRECISION] such as cpu:bf16, got '${text}'${why}.`);
  if (text.split(':').includes('')) throw wrong('');
  if (at < 0 && numeric.test(text)) throw wrong(', which names no device');
  if (at < 0) return { device: text, precision: undefined };
  const whole = device.includes(':') || classes.test(device);
  if (spellings.test(last) || (last.toLowerCase() === 'auto' && whole)) {
    return { device, precision: parsePrecision(last) };
  }
  if (numeric.test(last)) {
    throw wrong(': the precisions are f32, f16, bf16 and auto; a quantised model is another file, see --model-b');
  }
  return { device: text, precision: undefined };
}
