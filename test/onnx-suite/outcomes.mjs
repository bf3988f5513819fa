// What became of each case of the ONNX suite, in words that are the same on every machine.

const notTelling = [
  /^Exception from /,
  /^Check '.*' failed at /,
  /^FrontEnd API failed/,
  /^Model wasn't fully converted/,
  /^Summary:/,
  /^Errors? during import/i,
];
const longest = 110;

/** The telling words of an error's text: without source locations, paths and line breaks, cut to a table's width. */
function telling(text) {
  const lines = text
    .split('\n')
    .map((line) =>
      line
        .replace(/\S*\/(\S+)/g, '$1')
        .replace(/^-- /, '')
        .trim(),
    )
    .filter((line) => line !== '' && !notTelling.some((pattern) => pattern.test(line)));
  const words = lines.slice(0, 3).join(' ').replace(/\s+/g, ' ');
  return words.length > longest ? `${words.slice(0, longest - 1)}…` : words;
}

/** Null where the case passed, else a few words. `result` is a runner's, `wrong` what the judge says of the outputs. */
function failure(result, wrong) {
  if (result.outcome === 'timed out') return 'timed out';
  if (result.outcome === 'crashed') return `crashed: ${result.how}`;
  const { error } = result.value;
  if (error === undefined) return wrong === null ? null : telling(wrong);
  return `${error.code}: ${telling(error.words[error.words.length - 1]) || telling(error.words[0])}`;
}

/** A model that no tensor of ours fits has to be refused with an error of ours, or loaded; nothing else. */
function notApplicable(reason, result) {
  const { code } = result.value?.error ?? {};
  return { reason, failed: result.value === undefined || code === 'untyped' ? failure(result, null) : null };
}

/** One entry a case: {group, name, notApplicable, failed, python, same}; `failed` and `python` are null or words. */
export function outcomes(cases, results, verdicts) {
  return cases.map((one, index) => {
    const ours = results['edge-infer'][index];
    const { group, name } = one;
    if (one.notApplicable !== null) {
      const { reason, failed } = notApplicable(one.notApplicable, ours);
      return { group, name, notApplicable: reason, failed, python: null, same: false };
    }
    const { same, ...wrong } = verdicts[index];
    const failed = failure(ours, wrong['edge-infer']);
    const python = failure(results.openvino[index], wrong.openvino);
    return { group, name, notApplicable: null, failed, python, same };
  });
}

/** The machine-readable table, as committed in expected.json. */
export function tabulate(list, versions) {
  const groups = {};
  for (const { group, name, notApplicable: reason, failed, python } of list) {
    groups[group] ??= { passed: 0, failed: {}, notApplicable: {} };
    const sums = groups[group];
    if (failed !== null) sums.failed[name] = { ours: failed, python: python ?? 'passes' };
    else if (reason !== null) sums.notApplicable[reason] = (sums.notApplicable[reason] ?? 0) + 1;
    else sums.passed++;
  }
  const about =
    'What each case of the ONNX backend suite came to; written by `npm run test:onnx -- --update`. Cases that are not ' +
    'named here passed.';
  return { about, ...versions, groups };
}

/**
 * Computed by other kernels where the CPU executes bf16 than where OpenVINO takes f32 instead, with other results: on some
 * machines Python's OpenVINO passes them, on some it does not. Where it does not, ours are not held to.
 */
export const dependOnCpu = [
  'test_attention_4d_causal_padded_kv_bf16',
  'test_attention_4d_causal_padded_kv_bf16_expanded',
];

const sizeOf = ({ passed, failed, notApplicable: none }) =>
  passed + Object.keys(failed).length + Object.values(none).reduce((sum, count) => sum + count, 0);

/** What fails a run: [name, why] of each case. */
export function complaints(list, expected) {
  const found = [];
  for (const { group, name, notApplicable: reason, failed, python } of list) {
    if (failed === null) continue;
    const title = `${group}: ${name}`;
    if (reason !== null) found.push([title, `${failed}, where a typed error is due (${reason})`]);
    else if (python === null) found.push([title, `${failed}, and Python's OpenVINO passes`]);
    else if (expected.groups[group]?.failed[name] === undefined && !dependOnCpu.includes(name))
      found.push([title, `${failed}, and it passed before`]);
  }
  for (const [group, sums] of Object.entries(expected.groups)) {
    const count = list.filter((one) => one.group === group).length;
    if (count !== sizeOf(sums)) found.push([group, `${count} cases, expected ${sizeOf(sums)}: run with --update`]);
  }
  return found;
}
