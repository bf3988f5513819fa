// `npm run test:bad-input`: what the library does with damaged models, each outcome counted.
//   --options JSON   of loadModel, such as '{"trust":"probe"}'; the device is openvino:cpu, or as they say
//   --only TEXT      ids that contain it
//   --write ID       writes that damaged model into the current folder, to look at it
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { complete, corpus, damaged, writeDamaged } from '../test/bad-input/corpus.mjs';
import { build } from './build.mjs';
import { runInChildren } from './disposable-workers.mjs';
import { clearResults, writeResult } from './results.mjs';
import { main, root, Sentence } from './root.mjs';
import { ensureOpenvino, ensureTflite } from './runtime.mjs';
import { summarize } from './summary.mjs';

// Longer than the deadline of a probe, which ends a load by itself.
const timeoutMs = 180_000;
// A damaged shape may ask for all memory of the machine. Node reserves some gigabytes of addresses for itself.
const addressSpaceKb = 12 << 20;
const perChild = 40;
const streams = 2;

const folder = path.join(root, 'build', 'bad-input');

function outcomeOf(result) {
  if (result.outcome === 'answered') return result.value;
  return {
    outcome: result.outcome === 'crashed' ? `crashed: ${result.how}` : result.outcome,
    words: result.words ?? '',
  };
}

/** Rows by format, columns by outcome. */
function printTable(list) {
  const outcomes = [...new Set(list.map((one) => one.outcome))].sort();
  const formats = [...new Set(list.map((one) => one.format)), 'all'];
  const width = Math.max(...outcomes.map((text) => text.length));
  console.error([''.padEnd(width), ...formats.map((format) => format.padStart(7))].join(''));
  for (const outcome of [...outcomes, 'all']) {
    const counts = formats.map((format) =>
      list.filter(
        (one) => (format === 'all' || one.format === format) && (outcome === 'all' || one.outcome === outcome),
      ),
    );
    console.error([outcome.padEnd(width), ...counts.map(({ length }) => String(length).padStart(7))].join(''));
  }
}

await main(async () => {
  const { values } = parseArgs({
    options: { options: { type: 'string' }, only: { type: 'string' }, write: { type: 'string' } },
  });
  if (values.write !== undefined) {
    const one = corpus().find(({ id }) => id === values.write);
    if (one === undefined) throw new Sentence(`there is no damaged model ${values.write}.`);
    console.log(writeDamaged(one, process.cwd()), damaged(one).mutation);
    return 0;
  }
  const options = { device: 'openvino:cpu', ...JSON.parse(values.options ?? '{}') };
  // Where another process takes the crash, none may reach the caller; in-process, what the SDK does to itself is counted.
  const isolated = options.trust === 'probe' || Boolean(options.isolate);
  const onTflite = options.device.startsWith('tflite');
  const runner = `bad-input${onTflite ? '-tflite' : ''}${isolated ? '-isolated' : ''}`;
  clearResults([runner]);
  await build(['addon', 'ts']);
  await (onTflite ? ensureTflite() : ensureOpenvino());
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });

  const jobs = corpus().filter(
    ({ id, format }) => id.includes(values.only ?? '') && (!onTflite || format === 'tflite'),
  );
  const child = {
    command: 'sh',
    args: [
      ...['-c', `ulimit -c 0; ulimit -v ${addressSpaceKb}; exec "$@"`, 'sh'],
      ...[process.execPath, path.join(root, 'test', 'bad-input', 'worker.mjs'), folder, JSON.stringify(options)],
    ],
    timeoutMs,
    perChild,
  };
  const shares = Array.from({ length: streams }, (_, share) => jobs.filter((_, i) => i % streams === share));
  const shared = await Promise.all(shares.map((share) => runInChildren(share, child)));
  const results = jobs.map((_, i) => shared[i % streams][Math.floor(i / streams)]);
  const list = jobs.map((job, i) => ({ ...job, mutation: damaged(job).mutation, ...outcomeOf(results[i]) }));
  const report = path.join(root, 'build', `${runner}.json`);
  fs.writeFileSync(report, `${JSON.stringify({ options, list }, null, 2)}\n`);
  printTable(list.filter(({ index }) => index >= 0));

  const bad = isolated ? /untyped|without words|^crashed|^timed out/ : /untyped|without words/;
  const failed = list.filter(({ index, outcome }) => bad.test(outcome) || (index < 0 && outcome !== 'loaded and ran'));
  for (const { id, mutation, outcome, words } of failed)
    console.error(`FAIL  ${id} (${mutation}): ${outcome} ${words}`);
  for (const { id, mutation, outcome } of list.filter(
    (one) => /^crashed|^timed/.test(one.outcome) && !failed.includes(one),
  )) {
    console.error(`note  ${id} (${mutation}): ${outcome}`);
  }
  console.error(`edge-infer: ${list.length} damaged models, in ${path.relative(root, report)}`);
  const skipped = complete ? [] : ['sources of EDGE_INFER_ASSETS'];
  writeResult(runner, { passed: list.length - failed.length, failed: failed.map(({ id }) => id), skipped });
  return summarize([runner]);
});
