// The TypeScript tests: test/**/*.test.ts against the sources in lib/ and the built addon.
/** @type {import('jest').Config} */
module.exports = {
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  testEnvironment: 'node',
  // Relative imports in lib/ end in `.js`, as Node wants them in the output.
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: '<rootDir>/test/tsconfig.json' }] },
  modulePathIgnorePatterns: ['<rootDir>/build/', '<rootDir>/dist/', '<rootDir>/runtimes/', '<rootDir>/out/'],
  // For a hang; what is slow on a busy machine is not one.
  testTimeout: 180_000,
};
