/** One challenge of a `WWW-Authenticate` header (RFC 9110, 11.6.1). */
export interface Challenge {
  /** lower case: `basic`, `bearer`, `negotiate` … */
  readonly scheme: string;
  /** parameters by lower-case name; the first of a name wins */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=\s*(?:,|$))/y;
/** More than a token: some registries leave the quotes of a URL away. */
const UNQUOTED = /[^\s,"]+/y;
const SPACE = /[ \t]*/y;
const SEPARATORS = /[ \t,]*/y;

/**
 * Parses all challenges of a response; several may stand in one header. What isn't a challenge
 * ends the list: nothing is guessed.
 */
export function parseChallenges(headers: readonly string[]): readonly Challenge[] {
  return headers.flatMap((header) => parseHeader(header));
}

function parseHeader(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let position = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = position;
    const match = pattern.exec(header);
    if (match === null) return undefined;
    position = pattern.lastIndex;
    return match[0];
  };
  take(SEPARATORS);
  while (position < header.length) {
    const scheme = take(TOKEN);
    if (scheme === undefined) break;
    const parameters = new Map<string, string>();
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
    if (take(SPACE) !== '' && take(TOKEN68) !== undefined && header[position] !== '=') {
      take(SEPARATORS);
      continue;
    }
    for (;;) {
      take(SEPARATORS);
      const start = position;
      const name = take(TOKEN);
      take(SPACE);
      if (name === undefined || header[position] !== '=') {
        // A token that no `=` follows is the scheme of the next challenge.
        position = start;
        break;
      }
      position++;
      take(SPACE);
      const value = header[position] === '"' ? quoted() : take(UNQUOTED);
      if (value === undefined) return challenges;
      const key = name.toLowerCase();
      if (!parameters.has(key)) parameters.set(key, value);
    }
    if (position < header.length && !/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(header[position] ?? ''))
      break;
  }
  return challenges;

  function quoted(): string | undefined {
    let value = '';
    for (position++; position < header.length; position++) {
      const character = header[position];
      if (character === '"') {
        position++;
        return value;
      }
      if (character === '\\') position++;
      value += header[position] ?? '';
    }
    return undefined;
  }
}
