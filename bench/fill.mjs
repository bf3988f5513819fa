// Input values that neither vanish nor overflow; the same for every subject.

/** The same numbers as bench/native fills in: −0.5 to 0.5, or any byte where the array holds integers. */
export function fill(data) {
  const real = data instanceof Float32Array || data instanceof Float64Array;
  let state = 1;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = real ? (state >>> 8) / (1 << 24) - 0.5 : state >>> 24;
  }
}
