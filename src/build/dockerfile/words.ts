import { type EscapeCharacter, type JoinedText, partOf, syntaxError, type Where } from './text.ts';

/** A word as it was written, with its quotes. */
export interface Word {
  readonly text: string;
  /** where it starts in its text */
  readonly start: number;
}

/** Cuts at blanks that are neither quoted nor escaped; quotes and escapes stay in the words. */
export function splitWords(text: string, escapeWith: EscapeCharacter): readonly Word[] {
  const words: Word[] = [];
  let start = -1;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (quote === '' && /\s/.test(character)) {
      if (start >= 0) words.push({ text: text.slice(start, at), start });
      start = -1;
      continue;
    }
    if (start < 0) start = at;
    if (character === escapeWith && quote !== "'") at++;
    else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = '';
  }
  if (start >= 0) words.push({ text: text.slice(start), start });
  return words;
}

/** A word without its quotes and escapes; undefined if a quote isn't closed. */
export function unquote(word: string, escapeWith: EscapeCharacter): string | undefined {
  let out = '';
  let quote = '';
  for (let at = 0; at < word.length; at++) {
    const character = word[at] ?? '';
    if (character === escapeWith && quote !== "'") {
      at++;
      out += word[at] ?? '';
    } else if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = '';
    else out += character;
  }
  return quote === '' ? out : undefined;
}

/** A `--name` or `--name=value` in front of an instruction's arguments. */
export interface Flag {
  readonly name: string;
  readonly value: string | undefined;
  readonly where: Where;
}

/** Takes the flags off the front of an instruction's arguments. */
export function takeFlags(
  joined: JoinedText,
  escapeWith: EscapeCharacter,
): { readonly flags: readonly Flag[]; readonly rest: JoinedText } {
  const flags: Flag[] = [];
  for (const { text, start } of splitWords(joined.text, escapeWith)) {
    if (!text.startsWith('--')) return { flags, rest: partOf(joined, start) };
    const where = joined.at(start);
    if (text === '--') return { flags, rest: trimmed(partOf(joined, start + 2)) };
    const plain = unquote(text, escapeWith);
    if (plain === undefined) throw syntaxError(where, 'a quote is not closed');
    const equals = plain.indexOf('=');
    const name = equals < 0 ? plain.slice(2) : plain.slice(2, equals);
    flags.push({ name, value: equals < 0 ? undefined : plain.slice(equals + 1), where });
  }
  return { flags, rest: partOf(joined, joined.text.length) };
}

/** Blanks at both ends taken away. */
export function trimmed(joined: JoinedText): JoinedText {
  const start = joined.text.length - joined.text.trimStart().length;
  return partOf(joined, start, Math.max(start, joined.text.trimEnd().length));
}

/** A name and what it stands for, both as written. */
export interface NameValue {
  readonly name: string;
  readonly value: string;
}

/** `a=1 "b c"='d'`, or the old `a the whole rest` (ENV, LABEL). */
export function nameValues(
  joined: JoinedText,
  escapeWith: EscapeCharacter,
  instruction: string,
): readonly NameValue[] {
  const words = splitWords(joined.text, escapeWith);
  const [first] = words;
  if (first === undefined) return [];
  if (!first.text.includes('=')) {
    const value = joined.text.slice(first.start + first.text.length).trim();
    if (value === '') {
      throw syntaxError(joined.at(first.start), `${instruction} needs a value: NAME=VALUE`);
    }
    return [{ name: first.text, value }];
  }
  return words.map(({ text, start }) => {
    const equals = text.indexOf('=');
    if (equals < 0) {
      throw syntaxError(
        joined.at(start),
        `can't find = in ${JSON.stringify(text)}`,
        'write NAME=VALUE; quote values that hold blanks',
      );
    }
    if (equals === 0) throw syntaxError(joined.at(start), 'there is no name before the =');
    return { name: text.slice(0, equals), value: text.slice(equals + 1) };
  });
}

/** A list in JSON form, or undefined for everything else, which then is in shell form. */
export function jsonList(joined: JoinedText): readonly string[] | undefined {
  if (!joined.text.trimStart().startsWith('[')) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(joined.text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed)) return undefined;
  if (parsed.every((item) => typeof item === 'string')) return parsed;
  throw syntaxError(joined.at(0), 'a list in JSON form must consist of strings only');
}
