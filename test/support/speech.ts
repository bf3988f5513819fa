/** Sounds for tests, at 16,000 samples a second: a voice by synthesis (a source and a filter), noise, a tone, silence. */
export const sampleRate = 16_000;

/** Formants of five vowels in Hz: Peterson and Barney, "Control methods used in a study of the vowels" (1952), men. */
const vowels = [
  [730, 1090, 2440],
  [270, 2290, 3010],
  [570, 840, 2410],
  [530, 1840, 2480],
  [300, 870, 2240],
] as const;
const bandwidths = [80, 100, 140] as const;
const syllable = 0.2 * sampleRate;

/** Numbers between −1 and 1, the same for a seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** The flow through the glottis within one period, 0 to 1 (Rosenberg, 1971): opening for 40 % of it, closing for 16 %. */
function flow(phase: number): number {
  if (phase < 0.4) return (1 - Math.cos((Math.PI * phase) / 0.4)) / 2;
  return phase < 0.56 ? Math.cos(((Math.PI / 2) * (phase - 0.4)) / 0.16) : 0;
}

/** Five syllables a second: a hiss, then a vowel, with a pitch that rises and falls around 120 Hz. Its peak is 0.5. */
export function voice(seconds: number, seed = 1): Float32Array {
  const random = generator(seed);
  const sound = new Float32Array(Math.round(seconds * sampleRate));
  const formants: number[] = [...vowels[0]];
  const resonators = formants.map(() => [0, 0] as [number, number]);
  let [phase, last, peak] = [0, 0, 0];
  for (let t = 0; t < sound.length; t++) {
    const target = vowels[Math.floor(t / syllable) % vowels.length]!;
    formants.forEach((frequency, i) => (formants[i] = frequency + 0.002 * (target[i]! - frequency))); // a gliding tongue
    phase = (phase + (120 + 25 * Math.sin((2 * Math.PI * 0.6 * t) / sampleRate) + 2 * random()) / sampleRate) % 1;
    const source = flow(phase) - last; // the lips radiate the change of the flow
    last = flow(phase);
    const at = (t % syllable) / syllable;
    const loudness = Math.max(0, Math.min(1, 10 * (at - 0.2), (1 - at) / 0.15));
    let value = (source + 0.003 * random()) * loudness;
    resonators.forEach((past, i) => {
      const radius = Math.exp((-Math.PI * bandwidths[i]!) / sampleRate);
      const turn = 2 * radius * Math.cos((2 * Math.PI * formants[i]!) / sampleRate);
      value = (1 - turn + radius * radius) * value + turn * past[0] - radius * radius * past[1];
      resonators[i] = [value, past[0]];
    });
    sound[t] = 3 * value + (at < 0.2 ? 0.02 * random() * Math.sin((Math.PI * at) / 0.2) : 0);
    peak = Math.max(peak, Math.abs(sound[t]!));
  }
  return sound.map((value) => (0.5 * value) / peak);
}

export function noise(seconds: number, level: number, seed = 2): Float32Array {
  const random = generator(seed);
  return Float32Array.from({ length: Math.round(seconds * sampleRate) }, () => level * random());
}

export function tone(seconds: number, frequency: number): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * sampleRate) },
    (_, t) => 0.4 * Math.sin((2 * Math.PI * frequency * t) / sampleRate),
  );
}

export function silence(seconds: number): Float32Array {
  return new Float32Array(Math.round(seconds * sampleRate));
}

/** One after the other. */
export function joined(...sounds: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(sounds.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const sound of sounds) {
    all.set(sound, at);
    at += sound.length;
  }
  return all;
}

/** At once; as long as the first. */
export function mixed(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value + b[i % b.length]!);
}
