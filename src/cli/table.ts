import { safeJson } from './output.ts';

/** Rows as columns with a heading, three spaces apart, as docker prints tables. */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) =>
    Math.max(...all.map((row) => [...(row[column] ?? '')].length)),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

/**
 * Fills `{{.Field}}` and `{{json .}}` of a docker-style format; `\t` and `\n` are a tab and a new
 * line. Undefined if the format asks for more than that.
 */
export function fillTemplate(
  template: string,
  fields: Readonly<Record<string, string>>,
): string | undefined {
  const text = template
    .replaceAll('\\t', '\t')
    .replaceAll('\\n', '\n')
    .replace(/\{\{\s*json\s+\.\s*\}\}/g, () => safeJson(fields))
    .replace(/\{\{\s*\.([A-Za-z]+)\s*\}\}/g, (whole, name: string) =>
      Object.hasOwn(fields, name) ? (fields[name] ?? '') : whole,
    );
  return text.includes('{{') ? undefined : text;
}
