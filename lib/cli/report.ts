/** A benchmark as one HTML file: table, histogram and machine, without scripts or anything to be fetched. */
import { machineRows, resultRows, settingsText, valueText, type BenchResult } from './bench-result.js';
import { barOf, base, height, left, Markup, markup, right, style, tableOf, top, width } from './html.js';
import type { Bars } from './latency-histogram.js';
import { durationText, shapeText } from './output.js';

/** Bars up to p99, the rest in one more; p50 and p99 as dashed lines. */
function histogramOf(result: BenchResult, bars: Bars): Markup {
  const { from, width: barWidth, counts, above } = bars;
  if (counts.length === 0) return markup`<p>No run ended.</p>`;
  const most = Math.max(...counts, above);
  const slots = counts.length + (above > 0 ? 1 : 0);
  const slotWidth = (right - left) / slots;
  const rectangles = counts.map((count, i) => {
    const title = `${durationText(from + i * barWidth)} to ${durationText(from + (i + 1) * barWidth)}: ${count}`;
    return barOf(i, slotWidth, count, most, 'bar', title);
  });
  const end = from + counts.length * barWidth;
  const aboveTitle = `above ${durationText(end)}: ${above}`;
  if (above > 0) rectangles.push(barOf(counts.length, slotWidth, above, most, 'above', aboveTitle));

  const { latency } = result;
  const marks = (
    [
      ['p50', latency.p50],
      ['p99', latency.p99],
    ] as const
  ).map(([name, value], row) => {
    const x = Math.min(left + ((value - from) / barWidth) * slotWidth, right);
    // Two rows, because the lines may stand close together; to the left of the line where there is no room at its right.
    const [anchor, offset] = x > width - 150 ? ['end', -4] : ['start', 4];
    const at = x.toFixed(1);
    return markup`<line class="mark" x1="${at}" x2="${at}" y1="8" y2="${base}"/>
<text class="mark-text" text-anchor="${anchor}" x="${(x + offset).toFixed(1)}" y="${16 + row * 15}">${name} ${durationText(value)}</text>\n`;
  });
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const x = (left + part * counts.length * slotWidth).toFixed(1);
    const label = durationText(from + part * counts.length * barWidth);
    return markup`<text text-anchor="middle" x="${x}" y="${base + 18}">${label}</text>\n`;
  });
  const note =
    above > 0 ? markup`<p>The last bar holds the ${above} of ${latency.count} runs above p99.</p>` : markup``;
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Histogram of latencies">
<line class="axis" x1="${left}" x2="${right}" y1="${base}" y2="${base}"/>
<text text-anchor="end" x="${left - 6}" y="${top + 4}">${most}</text>
<text text-anchor="end" x="${left - 6}" y="${base}">0</text>
${rectangles}${marks}${ticks}</svg>
${note}`;
}

function checksOf(result: BenchResult): Markup {
  if (result.checks.length === 0) return markup``;
  const rows = result.checks.map((check) => {
    const verdict = check.ok ? markup`<td>ok</td>` : markup`<td class="failed">failed</td>`;
    return markup`<tr><th scope="row">fail if ${check.expression}</th><td>${valueText(check)}</td>${verdict}</tr>\n`;
  });
  return markup`<h2>Checks</h2>
<table>
${rows}</table>`;
}

/** The whole file. */
export function htmlReport(result: BenchResult, bars: Bars): string {
  const { settings } = result;
  const inputs = settings.inputs.map(({ name, dtype, shape, source }): [string, string] => [
    name,
    `${dtype} ${shapeText(shape)}, ${source}`,
  ]);
  const model: [string, string][] = [
    ['file', result.model],
    ['sha256', result.sha256],
    ['device', `${result.device} (${result.deviceName})`],
    ['precision', `${result.precision.actual} (asked for: ${result.precision.requested})`],
    ['sdk', `${result.backend} ${result.sdk}`],
    ['loaded in', durationText(result.loadMs)],
  ];
  const interrupted = result.interrupted ? markup`<p class="failed">Interrupted before the end.</p>` : markup``;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${result.model} on ${result.device}</title>
<style>${style}</style>
</head>
<body>
<h1>${result.model}</h1>
<p>${result.device} (${result.deviceName}), ${result.precision.actual}</p>
<p>${settingsText(settings)}</p>
${interrupted}
<h2>Latency</h2>
${histogramOf(result, bars)}
${tableOf(resultRows(result))}
${checksOf(result)}
<h2>Model</h2>
${tableOf(model)}
<h2>Inputs</h2>
${tableOf(inputs)}
<h2>Machine</h2>
${tableOf(machineRows(result.machine))}
<p>edge-infer ${result.edgeInfer}, ${result.created}</p>
</body>
</html>
`.source;
}
