// Writes the table of the ONNX backend suite, docs/onnx-suite.md, from expected.json.
import { dependOnCpu } from './outcomes.mjs';

const titles = {
  simple: 'simple',
  'pytorch-operator': 'operators, from PyTorch',
  'pytorch-converted': 'layers, from PyTorch',
  node: 'node',
  light: 'light models',
};

// Underscores within words need no escape.
const cell = (text) => text.replace(/[|<>*`[\]]/g, '\\$&');
const sum = (counts) => counts.reduce((total, count) => total + count, 0);

/** A Markdown table whose columns are padded, as prettier wants them. */
function table(head, rows, numbers = []) {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i].length)));
  const pad = (text, i) => (numbers.includes(i) ? text.padStart(widths[i]) : text.padEnd(widths[i]));
  const rule = widths.map((width, i) => (numbers.includes(i) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  const lines = [head.map(pad), rule, ...rows.map((row) => row.map(pad))];
  return lines.map((line) => `| ${line.join(' | ')} |`).join('\n');
}

export function renderTable({ onnx, openvino, groups }) {
  const entries = Object.entries(groups);
  const rows = entries.map(([group, { passed, failed, notApplicable }]) => [
    titles[group] ?? group,
    ...[passed, Object.keys(failed).length, sum(Object.values(notApplicable))].map(String),
  ]);
  rows.push(['**all**', ...[1, 2, 3].map((i) => `**${sum(rows.map((row) => Number(row[i])))}**`)]);
  const reasons = {};
  for (const [, { notApplicable }] of entries) {
    for (const [reason, count] of Object.entries(notApplicable)) reasons[reason] = (reasons[reason] ?? 0) + count;
  }
  const failures = entries.flatMap(([group, { failed }]) =>
    Object.entries(failed).map(([name, { ours, python }]) => [
      cell(titles[group] ?? group),
      `\`${name.replace(/^test_/, '')}\``,
      cell(ours),
      python === 'passes' ? '**passes**' : 'fails',
    ]),
  );
  const passing = failures.filter((row) => row[3] !== 'fails').length;
  const paragraphs = [
    '# The ONNX backend suite',
    'Written by `npm run test:onnx -- --update`; the same numbers for programs are in ' +
      '[expected.json](../test/onnx-suite/expected.json).',
    `The cases of the Python package onnx ${onnx}, loaded and run through the public API on \`openvino:cpu\` in f32 with ` +
      `OpenVINO ${openvino}, compared with the package's outputs by the package's rules and tolerances; the same cases ` +
      "with Python's OpenVINO of the same version.",
    table(['cases', 'passed', 'failed', 'not applicable'], rows, [1, 2, 3]),
    'Light models and random operators are compared by type and shape only: the outputs that the package gives for them ' +
      'are no reference. Where OpenVINO reads a model with other inputs than the file names, those are fed that the ' +
      'loaded model has. Not applicable are models with an input or output that no tensor of the API carries; each of ' +
      'them has to be refused with a typed error, or to load:',
    table(
      ['input or output', 'cases'],
      Object.entries(reasons)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([reason, count]) => [cell(reason), String(count)]),
      [1],
    ),
    '## Failed',
    `${failures.length} cases, ${passing === 0 ? 'none of which passes' : `**${passing} of which pass**`} with Python's ` +
      `OpenVINO. It depends on the CPU, with Python's OpenVINO as here, whether these pass: ${dependOnCpu
        .map((name) => `\`${name.replace(/^test_/, '')}\``)
        .join(', ')}.`,
    table(['group', 'case', 'what happens', "Python's OpenVINO"], failures),
  ];
  return `${paragraphs.join('\n\n')}\n`;
}
