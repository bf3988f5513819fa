// `npm run test:onnx`: the ONNX backend suite through the public API, beside Python's OpenVINO of the same version.
//   --update    writes test/onnx-suite/expected.json and docs/onnx-suite.md from this run
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { complaints, outcomes, tabulate } from '../test/onnx-suite/outcomes.mjs';
import { renderTable } from '../test/onnx-suite/table.mjs';
import { build } from './build.mjs';
import { contentKey, isFresh, writeStamp } from './content-key.mjs';
import { runInChildren } from './disposable-workers.mjs';
import { pythonEnv } from './python-env.mjs';
import { clearResults, writeResult } from './results.mjs';
import { main, root, run, Sentence } from './root.mjs';
import { ensureOpenvino } from './runtime.mjs';
import { summarize } from './summary.mjs';

const device = 'openvino:cpu';
const timeoutMs = 120_000; // the largest model compiles in seconds
const suite = path.join(root, 'test', 'onnx-suite');
const folder = path.join(root, 'build', 'onnx-suite');
const cases = path.join(folder, 'cases');
const expectedFile = path.join(suite, 'expected.json');
const documentFile = path.join(root, 'docs', 'onnx-suite.md');

function writeCases(python) {
  const stamp = path.join(root, 'build', 'stamps', 'onnx-cases.json');
  const key = contentKey(root, ['test/requirements-onnx.txt', 'test/onnx-suite/write_cases.py']);
  if (!isFresh(root, stamp, key)) {
    fs.rmSync(cases, { recursive: true, force: true });
    fs.mkdirSync(cases, { recursive: true });
    // Its warnings are about values that the package makes on purpose.
    const code = run(python, ['-W', 'ignore', path.join(suite, 'write_cases.py'), cases]);
    if (code !== 0) throw new Sentence('the cases of the ONNX suite could not be written.');
    writeStamp(root, stamp, key, ['build/onnx-suite/cases/cases.json']);
  }
  return JSON.parse(fs.readFileSync(path.join(cases, 'cases.json'), 'utf8'));
}

function emptyFolder(name) {
  const empty = path.join(folder, name);
  fs.rmSync(empty, { recursive: true, force: true });
  fs.mkdirSync(empty, { recursive: true });
  return empty;
}

/** Both runners at once: a case is too small for more than one core. */
async function runBoth(list, python) {
  const [worker, peer] = [path.join(suite, 'edge-infer-worker.cjs'), path.join(suite, 'openvino_worker.py')];
  const [outputs, peerOutputs] = [emptyFolder('edge-infer'), emptyFolder('openvino')];
  const applicable = list.filter((one) => one.notApplicable === null);
  const [ours, theirs] = await Promise.all([
    runInChildren(list, { command: process.execPath, args: [worker, cases, outputs, device], timeoutMs }),
    runInChildren(applicable, { command: python, args: [peer, cases, peerOutputs], timeoutMs }),
  ]);
  const byCase = new Map(applicable.map((one, index) => [one, theirs[index]]));
  return { 'edge-infer': ours, openvino: list.map((one) => byCase.get(one) ?? null) };
}

function judge(results, python) {
  const answers = path.join(folder, 'answers.json');
  const values = (all) => all.map((result) => result?.value ?? null);
  const both = { 'edge-infer': values(results['edge-infer']), openvino: values(results.openvino) };
  fs.writeFileSync(answers, JSON.stringify(both));
  const { status, stdout, stderr } = spawnSync(python, [path.join(suite, 'judge.py'), cases, answers], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  if (status !== 0) throw new Sentence(`the outputs of the ONNX suite could not be compared: ${stderr}`);
  return JSON.parse(stdout);
}

/** The version that both runners say they are: another one would compare apples with oranges. */
function sameVersion(results) {
  const versions = ['edge-infer', 'openvino'].map(
    (name) => results[name].find((result) => result?.value?.sdk !== undefined)?.value.sdk,
  );
  if (versions[0] === undefined || versions[0] !== versions[1]) {
    throw new Sentence(
      `the suite compares two equal releases, but found OpenVINO ${versions.join(' and ')}: ` +
        'unset EDGE_INFER_OPENVINO, or see test/requirements-onnx.txt.',
    );
  }
  return versions[0].split('-')[0];
}

await main(async () => {
  const { values } = parseArgs({ options: { update: { type: 'boolean' } } });
  clearResults(['onnx']);
  await build(['addon', 'ts']);
  await ensureOpenvino();
  const python = pythonEnv('onnx');
  const { onnx, cases: list } = writeCases(python);
  const results = await runBoth(list, python);
  const openvino = sameVersion(results);
  const found = outcomes(list, results, judge(results, python));
  if (values.update) {
    const table = tabulate(found, { onnx, openvino });
    fs.writeFileSync(expectedFile, `${JSON.stringify(table, null, 2)}\n`);
    fs.writeFileSync(documentFile, renderTable(table));
  }

  const expected = JSON.parse(fs.readFileSync(expectedFile, 'utf8'));
  const failed = complaints(found, expected);
  if (fs.readFileSync(documentFile, 'utf8') !== renderTable(expected)) {
    failed.push(['docs/onnx-suite.md', 'is not what expected.json says: run with --update']);
  }
  for (const [name, why] of failed) console.error(`FAIL  ${name}: ${why}`);
  const mended = found.filter(({ group, name, failed: words }) => !words && expected.groups[group]?.failed[name]);
  for (const { group, name } of mended) console.error(`note  ${group}: ${name} passes now (--update writes it down)`);
  const passed = found.filter((one) => one.notApplicable === null && one.failed === null);
  const known = found.filter((one) => one.notApplicable === null && one.failed !== null && one.python !== null);
  const none = found.filter((one) => one.notApplicable !== null);
  const same = found.filter((one) => one.same).length;
  console.error(
    `edge-infer: ${passed.length} cases passed, ${known.length} fail with Python's OpenVINO too, ` +
      `${none.length} are not applicable; ${same} have the very bits of Python's OpenVINO.`,
  );
  writeResult('onnx', { passed: passed.length, failed: failed.map(([name]) => name), skipped: [] });
  return summarize(['onnx']);
});
