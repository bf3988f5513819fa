/** What HTML reports are made of: markup that escapes its values, one style, tables and bars. Nothing is fetched. */

/** Markup, as opposed to text that still has to be escaped. */
export class Markup {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  // Control characters have no place in HTML; model names may hold them.
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '').replace(/\p{Cc}/gu, '\uFFFD');
}

type Part = string | number | Markup | readonly Markup[];

/** A template whose values are escaped unless they are markup themselves. */
export function markup(strings: TemplateStringsArray, ...parts: Part[]): Markup {
  const render = (part: Part | undefined): string => {
    if (part === undefined) return '';
    if (part instanceof Markup) return part.source;
    return typeof part === 'object' ? part.map((item) => item.source).join('') : escapeHtml(String(part));
  };
  return new Markup(strings.map((string, i) => string + render(parts[i])).join(''));
}

export const style = new Markup(`
:root { color-scheme: light dark; --ink: #1a1d21; --soft: #6a7280; --line: #d9dde3; --bar: #2f6fb0; --mark: #c2410c; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #9aa3af; --line: #3a4048; --bar: #6aa5dd; --mark: #fb923c; }
  body { background: #16181b; }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; }
p { color: var(--soft); margin: .2rem 0; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .2rem 1.2rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: normal; white-space: nowrap; }
.failed { color: var(--mark); font-weight: 600; }
svg { width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .bar { fill: var(--bar); }
svg .above { fill: var(--mark); }
svg .axis { stroke: var(--line); }
svg .mark { stroke: var(--mark); stroke-dasharray: 3 3; }
svg .mark-text { fill: var(--mark); }
`);

export function tableOf(rows: readonly (readonly [string, string])[]): Markup {
  return markup`<table>
${rows.map(([label, value]) => markup`<tr><th scope="row">${label}</th><td>${value}</td></tr>\n`)}</table>`;
}

/** The picture's parts, in its own units. */
export const width = 900;
export const height = 300;
export const left = 50;
export const right = 880;
export const top = 40;
export const base = 270;

/** One bar; `slot` counts from the left. A bar that holds anything can be seen. */
export function barOf(
  slot: number,
  slotWidth: number,
  count: number,
  most: number,
  kind: string,
  title: string,
): Markup {
  const tall = count === 0 ? 0 : Math.max((count / most) * (base - top), 1);
  const x = (left + slot * slotWidth).toFixed(1);
  const size = `width="${Math.max(slotWidth - 1, 0.5).toFixed(1)}" height="${tall.toFixed(1)}"`;
  const text = markup`<title>${title}</title>`;
  return markup`<rect class="${kind}" x="${x}" y="${(base - tall).toFixed(1)}" ${new Markup(size)}>${text}</rect>\n`;
}
