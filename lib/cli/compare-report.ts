/** A comparison as one HTML file: the verdict, the outputs, their differences, without scripts or anything to be fetched. */
import { machineRows } from './bench-result.js';
import {
  binText,
  filledBins,
  numberText,
  outputCells,
  outputHeading,
  precisionText,
  remarksOf,
  toleranceText,
  type CompareResult,
  type OutputResult,
  type SideResult,
} from './compare-result.js';
import { barOf, base, height, left, markup, right, style, tableOf, top, width, type Markup } from './html.js';
import { shapeText } from './output.js';

// A report is read, not searched: the JSON holds the rest.
const maximumSamples = 200;

function row(cells: readonly string[], ok: boolean): Markup {
  const [name = '', ...rest] = cells;
  const last = rest.pop() ?? '';
  const verdict = ok ? markup`<td>${last}</td>` : markup`<td class="failed">${last}</td>`;
  return markup`<tr><th scope="row">${name}</th>${rest.map((cell) => markup`<td>${cell}</td>`)}${verdict}</tr>\n`;
}

function outputsOf(result: CompareResult): Markup {
  if (result.outputs.length === 0) return markup`<p>No output is on both sides.</p>`;
  return markup`<table>
<tr>${outputHeading.map((name) => markup`<th scope="col">${name}</th>`)}</tr>
${result.outputs.map((output) => row(outputCells(output), output.ok))}</table>`;
}

function histogramOf(output: OutputResult): Markup {
  const bins = filledBins(output.histogram);
  if (bins.length === 0) return markup`<p>No pair of values could be compared.</p>`;
  const most = Math.max(...bins.map((bin) => bin.count));
  const slotWidth = (right - left) / bins.length;
  const bars = bins.map((bin, i) => barOf(i, slotWidth, bin.count, most, 'bar', `${binText(bin)}: ${bin.count}`));
  const labels = bins.map((bin, i) => {
    const x = (left + (i + 0.5) * slotWidth).toFixed(1);
    return markup`<text text-anchor="middle" x="${x}" y="${base + 18}">${binText(bin)}</text>\n`;
  });
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Histogram of differences">
<line class="axis" x1="${left}" x2="${right}" y1="${base}" y2="${base}"/>
<text text-anchor="end" x="${left - 6}" y="${top + 4}">${most}</text>
<text text-anchor="end" x="${left - 6}" y="${base}">0</text>
${bars}${labels}</svg>`;
}

function sectionOf(output: OutputResult): Markup {
  return markup`<h2>|a − b| of ${output.name}</h2>
${histogramOf(output)}
${remarksOf(output).map((remark) => markup`<p>${remark}</p>\n`)}`;
}

function samplesOf({ samples, outputs }: CompareResult): Markup {
  const rows = samples.slice(0, maximumSamples).map(({ name, inputs }, i) => {
    const given = inputs.map((input) => `${input.name} ${input.dtype} ${shapeText(input.shape)}`).join(', ');
    const cells = outputs.map(({ maxAbsBySample }) => {
      const most = maxAbsBySample[i] ?? null;
      return markup`<td>${most === null ? '–' : numberText(most)}</td>`;
    });
    return markup`<tr><th scope="row">${name}</th>${cells}<td>${given}</td></tr>\n`;
  });
  const names = outputs.map((output) => markup`<th scope="col">largest in ${output.name}</th>`);
  const more = samples.length - maximumSamples;
  const rest = more > 0 ? markup`<p>… and ${more} more, which the JSON has.</p>` : markup``;
  return markup`<h2>Samples</h2>
<table>
<tr><th scope="col">sample</th>${names}<th scope="col">inputs</th></tr>
${rows}</table>
${rest}`;
}

function sideOf(title: string, side: SideResult): Markup {
  return markup`<h2>${title}</h2>
${tableOf([
  ['file', side.model],
  ['sha256', side.sha256],
  ['device', `${side.device} (${side.deviceName})`],
  ['precision', precisionText(side.precision)],
  ['sdk', `${side.backend} ${side.sdk}`],
])}`;
}

/** The whole file. */
export function compareHtml(result: CompareResult): string {
  const { a, b, found, notes, ok, outputs } = result;
  const verdict = ok ? markup`<p>${found}</p>` : markup`<p class="failed">${found}</p>`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${b.model}: ${a.device} ${a.precision.actual} and ${b.device} ${b.precision.actual}</title>
<style>${style}</style>
</head>
<body>
<h1>${a.model === b.model ? a.model : `${a.model} and ${b.model}`}</h1>
${verdict}
${notes.map((note) => markup`<p>${note}</p>\n`)}
<h2>Outputs</h2>
${outputsOf(result)}
<p>Tolerance: ${toleranceText(result.tolerance)}. Relative is the largest |a − b| / max(|a|, |b|); the cosine is the
worst sample’s; top-1 counts the rows along the last dimension whose largest value is at the same place.</p>
${outputs.map(sectionOf)}
${samplesOf(result)}
${sideOf('Side a', a)}
${sideOf('Side b', b)}
<h2>Machine</h2>
${tableOf(machineRows(result.machine))}
<p>edge-infer ${result.edgeInfer}, ${result.created}</p>
</body>
</html>
`.source;
}
