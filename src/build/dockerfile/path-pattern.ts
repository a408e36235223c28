/** One step of a pattern. */
type Token =
  | { readonly kind: 'character'; readonly code: number }
  /** any character but a slash */
  | { readonly kind: 'one' }
  /** any number of characters but slashes */
  | { readonly kind: 'some' }
  /** any number of any characters */
  | { readonly kind: 'rest' }
  /** nothing, or anything that ends with a slash */
  | { readonly kind: 'folders' }
  | {
      readonly kind: 'class';
      readonly negated: boolean;
      readonly ranges: readonly (readonly [number, number])[];
    };

/** True for a path that the pattern matches as a whole. */
export type PathPattern = (path: string) => boolean;

/**
 * Compiles a pattern of paths: Go's filepath.Match, and with `doubleStar` also the `**` of
 * .dockerignore files. Matching moves a set of states over the path once, so no pattern is slow.
 *
 * @returns undefined for a pattern that isn't one: a class without an end, an escape at the end
 */
export function compilePattern(
  pattern: string,
  { doubleStar = false } = {},
): PathPattern | undefined {
  // As Docker has it, `**name` is any end of a path, also inside a name.
  const end = doubleStar ? /^\*\*([^/*?[\]\\][^*?[\]\\]*)$/.exec(pattern)?.[1] : undefined;
  if (end !== undefined) return (path) => path.endsWith(end);
  const tokens = tokensOf(Array.from(pattern, codeOf), doubleStar);
  if (tokens === undefined) return undefined;
  if (tokens.every(({ kind }) => kind === 'character')) {
    const literal = pattern.replace(/\\(.)/gsu, '$1');
    return (path) => path === literal;
  }
  return (path) => matches(tokens, path);
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

const [STAR, QUESTION, OPEN, CLOSE, BACKSLASH, CARET, DASH, SLASH] = Array.from(
  '*?[]\\^-/',
  codeOf,
);

function tokensOf(codes: readonly number[], doubleStar: boolean): Token[] | undefined {
  const tokens: Token[] = [];
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === STAR && doubleStar && codes[at + 1] === STAR) {
      at++;
      if (codes[at + 1] === SLASH) at++;
      tokens.push({ kind: at + 1 >= codes.length ? 'rest' : 'folders' });
    } else if (code === STAR) {
      if (tokens.at(-1)?.kind !== 'some') tokens.push({ kind: 'some' });
    } else if (code === QUESTION) tokens.push({ kind: 'one' });
    else if (code === OPEN) {
      const found = classOf(codes, at + 1);
      if (found === undefined) return undefined;
      tokens.push(found.token);
      at = found.end;
    } else if (code === BACKSLASH) {
      at++;
      const escaped = codes[at];
      if (escaped === undefined) return undefined;
      tokens.push({ kind: 'character', code: escaped });
    } else tokens.push({ kind: 'character', code });
  }
  return tokens;
}

/** A class from behind its `[` on; `end` is where its `]` is. */
function classOf(
  codes: readonly number[],
  start: number,
): { readonly token: Token; readonly end: number } | undefined {
  let at = start;
  const negated = codes[at] === CARET;
  if (negated) at++;
  const ranges: [number, number][] = [];
  const next = (): number | undefined => {
    const code = codes[at];
    if (code === undefined || code === DASH || code === CLOSE) return undefined;
    at++;
    if (code !== BACKSLASH) return code;
    const escaped = codes[at];
    at++;
    return escaped;
  };
  for (;;) {
    if (codes[at] === CLOSE && ranges.length > 0) {
      return { token: { kind: 'class', negated, ranges }, end: at };
    }
    const low = next();
    if (low === undefined) return undefined;
    let high: number | undefined = low;
    if (codes[at] === DASH) {
      at++;
      high = next();
    }
    if (high === undefined) return undefined;
    ranges.push([low, high]);
  }
}

function matches(tokens: readonly Token[], path: string): boolean {
  let states = new Set<number>();
  const enter = (into: Set<number>, state: number) => {
    for (let at = state; !into.has(at); at++) {
      into.add(at);
      const kind = tokens[at]?.kind;
      if (kind !== 'some' && kind !== 'rest' && kind !== 'folders') return;
    }
  };
  enter(states, 0);
  // Inside the folders of a `**/`: their token again, offset so that it isn't left but by a slash.
  const inside = tokens.length + 1;
  for (const character of path) {
    const code = codeOf(character);
    const next = new Set<number>();
    for (const state of states) {
      const at = state >= inside ? state - inside : state;
      const token = tokens[at];
      if (token === undefined) continue;
      switch (token.kind) {
        case 'character':
          if (token.code === code) enter(next, at + 1);
          break;
        case 'one':
          if (code !== SLASH) enter(next, at + 1);
          break;
        case 'class':
          if (isIn(token, code)) enter(next, at + 1);
          break;
        case 'some':
          if (code !== SLASH) enter(next, at);
          break;
        case 'rest':
          enter(next, at);
          break;
        case 'folders':
          next.add(at + inside);
          if (code === SLASH) enter(next, at + 1);
      }
    }
    states = next;
    if (states.size === 0) return false;
  }
  return states.has(tokens.length);
}

function isIn({ negated, ranges }: Token & { readonly kind: 'class' }, code: number): boolean {
  return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
}
