/** These belong to the protocol: a request would no longer be what it says. */
const OWN_HEADERS: ReadonlySet<string> = new Set([
  ...['connection', 'content-length', 'expect', 'host', 'keep-alive', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'range', 'content-range', 'proxy-authorization'],
]);

/** Headers that a user configured, by lower-case name, and the names of those that can't be sent. */
export function checkedHeaders(given: Iterable<readonly [name: string, value: string]>): {
  readonly headers: Readonly<Record<string, string>>;
  readonly refused: readonly string[];
} {
  const headers: Record<string, string> = {};
  const refused: string[] = [];
  for (const [name, value] of given) {
    const key = name.toLowerCase();
    const isName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(key) && key !== '__proto__';
    const isGood = isName && !OWN_HEADERS.has(key) && /^[\t\x20-\x7e\x80-\xff]*$/.test(value);
    if (isGood) headers[key] = value;
    else refused.push(name);
  }
  return { headers, refused };
}
