/** `*` and `?` of a shell pattern; everything else stands for itself. */
interface Token {
  readonly kind: 'any' | 'one' | 'character';
  readonly is?: string;
}

function tokensOf(pattern: string, escapeWith: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const character = pattern[at] ?? '';
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'any') tokens.push({ kind: 'any' });
    } else if (character === '?') tokens.push({ kind: 'one' });
    else if (character === escapeWith && at + 1 < pattern.length) {
      at++;
      tokens.push({ kind: 'character', is: pattern[at] ?? '' });
    } else tokens.push({ kind: 'character', is: character });
  }
  return tokens;
}

/** Where matches can end that begin at `start`: a set of states moves over the text once. */
function* ends(text: string, start: number, tokens: readonly Token[]): Generator<number> {
  const close = (states: Set<number>) => {
    for (const state of states) if (tokens[state]?.kind === 'any') states.add(state + 1);
    return states;
  };
  let states = close(new Set([0]));
  for (let at = start; ; at++) {
    if (states.has(tokens.length)) yield at;
    if (at >= text.length || states.size === 0) return;
    const next = new Set<number>();
    for (const state of states) {
      const token = tokens[state];
      if (token === undefined) continue;
      if (token.kind === 'any') next.add(state);
      else if (token.kind === 'one' || token.is === text[at]) next.add(state + 1);
    }
    states = close(next);
  }
}

/** How much of the start a pattern matches: the most, or the least. */
export function prefixLength(
  text: string,
  pattern: string,
  escapeWith: string,
  isGreedy: boolean,
): number {
  let found = 0;
  for (const end of ends(text, 0, tokensOf(pattern, escapeWith))) {
    found = end;
    if (!isGreedy) break;
  }
  return found;
}

/** How much of the end a pattern matches: the most, or the least. */
export function suffixLength(
  text: string,
  pattern: string,
  escapeWith: string,
  isGreedy: boolean,
): number {
  // Backwards it is a prefix.
  const backwards = text.split('').reverse().join('');
  let found = 0;
  for (const end of ends(backwards, 0, [...tokensOf(pattern, escapeWith)].reverse())) {
    found = end;
    if (!isGreedy) break;
  }
  return found;
}

/** The first match at or after `from`, the longest there. */
export function findPattern(
  text: string,
  from: number,
  pattern: string,
  escapeWith: string,
): { readonly start: number; readonly end: number } | undefined {
  const tokens = tokensOf(pattern, escapeWith);
  for (let start = from; start <= text.length; start++) {
    let end = -1;
    for (const found of ends(text, start, tokens)) end = found;
    if (end >= 0) return { start, end };
  }
  return undefined;
}
