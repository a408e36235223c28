/** Written so that a string without an end is given up in linear time. */
const TOKEN =
  /[ \t\n\r]*(?:([{}[\],:])|"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"|(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)(?![\w.+-]))/y;

type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | ':' | ', or end';

/**
 * Where a text stops being JSON (RFC 8259), as `line L, column C`, or `its end` where something is
 * missing there. The parser's own messages quote the text, and seldom say where.
 */
export function brokenAt(text: string): string {
  const open: ('{' | '[')[] = [];
  let expected: Expected = 'value';
  let end = 0;
  for (;;) {
    TOKEN.lastIndex = end;
    const token = TOKEN.exec(text);
    if (token === null) break;
    const next = after(expected, token[1] ?? (token[0].endsWith('"') ? 'string' : 'other'), open);
    if (next === undefined) break;
    expected = next;
    end = TOKEN.lastIndex;
  }
  const rest = text.slice(end);
  const at = end + rest.length - rest.trimStart().length;
  if (at >= text.length) return 'its end';
  const lines = text.slice(0, at).split('\n');
  return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`;
}

/** What may follow a token, or undefined if it may not stand there itself. */
function after(expected: Expected, token: string, open: ('{' | '[')[]): Expected | undefined {
  if (expected === ':') return token === ':' ? 'value' : undefined;
  if (expected === ', or end') {
    if (token === ',' && open.length > 0) return open.at(-1) === '{' ? 'key' : 'value';
    return closes(token, open);
  }
  if (expected === 'key' || expected === 'key or }') {
    if (token === 'string') return ':';
    return expected === 'key or }' ? closes(token, open) : undefined;
  }
  if (token === '{' || token === '[') {
    open.push(token);
    return token === '{' ? 'key or }' : 'value or ]';
  }
  if (token === 'string' || token === 'other') return ', or end';
  return expected === 'value or ]' ? closes(token, open) : undefined;
}

function closes(token: string, open: ('{' | '[')[]): Expected | undefined {
  const last = open.at(-1);
  if (last === undefined || token !== (last === '{' ? '}' : ']')) return undefined;
  open.pop();
  return ', or end';
}
