/**
 * The target of the first `rel="next"` of a `Link` header (RFC 8288), as it stands there, or
 * undefined.
 */
export function nextLink(headers: readonly string[]): string | undefined {
  for (const header of headers) {
    // A target may hold commas and semicolons, so links are found by their angle brackets.
    for (const match of header.matchAll(/<([^<>]*)>([^<]*)/g)) {
      const [, target = '', parameters = ''] = match;
      const rel = /;\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,]+))/i.exec(parameters);
      const relations = (rel?.[1] ?? rel?.[2] ?? '').toLowerCase().split(/\s+/);
      if (relations.includes('next')) return target.trim();
    }
  }
  return undefined;
}
