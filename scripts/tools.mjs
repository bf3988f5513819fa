// Checks for the tools that a build needs, and says in one sentence what is missing and how to get it.
import { spawnSync } from 'node:child_process';
import { outputOf, Sentence } from './root.mjs';

/** The C++ compiler: `CXX`, or the first that is there. */
export function compiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  for (const name of candidates) {
    const version = outputOf(name, ['--version']);
    if (version !== null) return { name, version: version.split('\n')[0].trim() };
  }
  return null;
}

/** CMake's version as numbers, or null. */
export function cmakeVersion() {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(outputOf('cmake', ['--version']) ?? '');
  return match === null ? null : match.slice(1).map(Number);
}

function accepts(name, source, ...options) {
  const args = [...options, '-std=c++17', '-fsyntax-only', '-x', 'c++', '-'];
  return spawnSync(name, args, { input: source, stdio: ['pipe', 'ignore', 'ignore'] }).status === 0;
}

function missing(what, packages) {
  const list = packages.join(' ');
  throw new Sentence(
    `${what.join(' and ')} ${what.length === 1 ? 'is' : 'are'} missing to build edge-infer; on Debian or Ubuntu: \`apt-get install ${list}\`.`,
  );
}

/** Throws one sentence that names everything that is missing. `tests` asks for GoogleTest too. */
export function checkBuildTools({ tests = false } = {}) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 17)) {
    throw new Sentence(`building needs Node 20.17 or newer, this is ${process.versions.node} (running needs 16.20).`);
  }
  const what = [];
  const packages = new Set();
  const cxx = compiler();
  if (cxx === null) {
    what.push(process.env.CXX ? `the C++ compiler that CXX names (${process.env.CXX})` : 'a C++ compiler');
    packages.add('g++');
  } else if (!accepts(cxx.name, '#include <optional>\nint main() { return std::optional<int>(0).value(); }\n')) {
    what.push(`a C++17 compiler (${cxx.version} is none)`);
    packages.add('g++');
  }
  const cmake = cmakeVersion();
  if (cmake === null || cmake[0] < 3 || (cmake[0] === 3 && cmake[1] < 18)) {
    what.push(cmake === null ? 'CMake' : `CMake 3.18 or newer (this is ${cmake.join('.')})`);
    packages.add('cmake');
  }
  if (outputOf('make', ['--version']) === null && outputOf('ninja', ['--version']) === null) {
    what.push('make (or ninja)');
    packages.add('make');
  }
  if (tests && cxx !== null && !accepts(cxx.name, '#include <gtest/gtest.h>\n')) {
    what.push('GoogleTest');
    packages.add('libgtest-dev');
  }
  if (what.length > 0) missing(what, [...packages]);
}

/** Throws one sentence where Python 3 or pip is missing: they fetch the pinned runtimes and the linters. */
export function checkPython() {
  if (outputOf('python3', ['--version']) === null) missing(['Python 3'], ['python3', 'python3-pip']);
  if (outputOf('python3', ['-m', 'pip', '--version']) === null) missing(["Python's pip"], ['python3-pip']);
}
