/** The symbols of `using` and `await using`. Before Node 18.18 they do not exist, and nothing looks these stand-ins up. */
export const disposeSymbol: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('edge-infer.dispose');
export const asyncDisposeSymbol: typeof Symbol.asyncDispose =
  Symbol.asyncDispose ?? Symbol.for('edge-infer.asyncDispose');
