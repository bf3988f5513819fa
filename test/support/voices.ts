/** Sounds for voice activity detection: Silero's inputs, window by window, and where a voice is heard. */
import type { Tensor } from '../../lib/types.js';
import { f32 } from './onnxruntime.js';
import { joined, mixed, noise, silence, tone, voice } from './speech.js';

/** In samples: 32 ms, and the end of the window before. */
export const [window, context] = [512, 64];
const part = (16 * window) / 16_000; // seconds: sixteen windows
const sounds: readonly (readonly [boolean, Float32Array])[] = [
  [false, silence(part)],
  [true, voice(2 * part)],
  [false, silence(part)],
  [false, noise(part, 0.3)],
  [false, tone(part, 440)],
  [true, mixed(voice(2 * part, 2), noise(2 * part, 0.02))],
  [false, silence(part)],
];
export const inputs = windows(joined(...sounds.map(([, sound]) => sound)));
// A voice is known one window after its beginning: the first syllable begins with a hiss of 40 ms.
export const truth = sounds.flatMap(([isVoice, { length }]) =>
  Array.from({ length: length / window }, (_, i) => isVoice && i > 0),
);
export const rate: Tensor = { dtype: 'i64', shape: [], data: BigInt64Array.of(16_000n) };
export const noState = f32([2, 1, 128], new Float32Array(256));

/** What the model takes at each step: the window, and before it the end of the one before. */
function windows(sound: Float32Array): Tensor[] {
  const padded = joined(new Float32Array(context), sound);
  return Array.from({ length: sound.length / window }, (_, i) =>
    f32([1, context + window], padded.slice(i * window, (i + 1) * window + context)),
  );
}
