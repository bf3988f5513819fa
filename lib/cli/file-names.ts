/** File names for tensors, whose own names may be anything: `a/b:0`, nothing, `..`. */

/** Gives each name a file name of its own: letters, digits, `.`, `_` and `-`, never hidden, never two alike. */
export function fileNames(names: readonly string[], extension: string): string[] {
  const used = new Set<string>();
  return names.map((name) => {
    // No leading dot or hyphen: hidden files, `..`, and what programs take for an option.
    const safe =
      name
        .replace(/[^A-Za-z0-9._-]+/g, '_')
        .replace(/^[.-]+/, '')
        .slice(0, 100) || 'output';
    let unique = safe;
    // Some file systems do not tell A from a.
    for (let i = 2; used.has(unique.toLowerCase()); i++) unique = `${safe}-${i}`;
    used.add(unique.toLowerCase());
    return `${unique}${extension}`;
  });
}
