// Numbers and tables as Markdown.

const digits = (value) => (Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(3));

export const number = (value) => (Number.isFinite(value) ? digits(value).replace('-', '−') : '–');

/** A median with its spread; a dash where nothing was measured. */
export function withSpread(value) {
  return value === undefined ? '–' : `${number(value.median)} (${number(value.p10)} … ${number(value.p90)})`;
}

const row = (cells) => `| ${cells.join(' | ')} |`;

export function table(head, rows) {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}
