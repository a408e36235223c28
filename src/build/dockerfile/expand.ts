import { findPattern, prefixLength, suffixLength } from './expand-pattern.ts';
import type { EscapeCharacter } from './text.ts';

/** What variables stand for. */
export type Variables = ReadonlyMap<string, string>;

/** What is wrong with a word that is expanded, and where in it. */
export class ExpansionError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

const NAME = /^(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?\-$!])/;

interface State {
  readonly text: string;
  readonly escapeWith: EscapeCharacter;
  readonly variables: Variables;
  at: number;
}

/** The text so far, and which of it may be cut into words. */
type Put = (text: string, canSplit: boolean) => void;

/**
 * Replaces variables and takes quotes and escapes away, by BuildKit's rules: `$A ${A} ${A:-b}
 * ${A-b} ${A:+b} ${A+b} ${A:?why} ${A#b*} ${A##b*} ${A%b*} ${A%%b*} ${A/b/c} ${A//b/c}`.
 *
 * @throws ExpansionError
 */
export function expandWord(
  text: string,
  variables: Variables,
  escapeWith: EscapeCharacter,
): string {
  let out = '';
  run({ text, escapeWith, variables, at: 0 }, '', false, (part) => {
    out += part;
  });
  return out;
}

/**
 * Like {@link expandWord}, cut into words at blanks that aren't quoted, also those of a variable.
 *
 * @throws ExpansionError
 */
export function expandWords(
  text: string,
  variables: Variables,
  escapeWith: EscapeCharacter,
): readonly string[] {
  const words: string[] = [];
  let open: string | undefined;
  run({ text, escapeWith, variables, at: 0 }, '', false, (part, canSplit) => {
    if (!canSplit) {
      open = (open ?? '') + part;
      return;
    }
    for (const character of part) {
      if (!/\s/.test(character)) open = (open ?? '') + character;
      else if (open !== undefined) {
        words.push(open);
        open = undefined;
      }
    }
  });
  if (open !== undefined) words.push(open);
  return words;
}

/**
 * Replaces the variables of a heredoc: quotes stay, and an escape only keeps a `$` as it is.
 *
 * @throws ExpansionError
 */
export function expandHeredoc(text: string, variables: Variables): string {
  const state: State = { text, escapeWith: '\\', variables, at: 0 };
  let out = '';
  while (state.at < text.length) {
    const character = text[state.at] ?? '';
    if (character === '\\' && '$\\'.includes(text[state.at + 1] ?? ' ')) {
      out += text[state.at + 1];
      state.at += 2;
    } else if (character === '$') out += dollar(state);
    else {
      out += character;
      state.at++;
    }
  }
  return out;
}

/** Reads up to `stop` (which it passes) or the end. */
function run(state: State, stop: string, keepEscapes: boolean, put: Put): void {
  const { text, escapeWith } = state;
  while (state.at < text.length) {
    const character = text[state.at] ?? '';
    if (stop !== '' && character === stop) {
      state.at++;
      return;
    }
    if (character === "'") put(single(state), false);
    else if (character === '"') double(state, put);
    else if (character === '$') put(dollar(state), true);
    else if (character === escapeWith) {
      state.at++;
      const next = text[state.at] ?? '';
      put((keepEscapes ? escapeWith : '') + next, false);
      state.at++;
    } else {
      put(character, true);
      state.at++;
    }
  }
  if (stop !== '') throw new ExpansionError(`a ${stop} is missing`, text.length);
}

function single(state: State): string {
  const end = state.text.indexOf("'", state.at + 1);
  if (end < 0) throw new ExpansionError("a ' is not closed", state.at);
  const inside = state.text.slice(state.at + 1, end);
  state.at = end + 1;
  return inside;
}

function double(state: State, put: Put): void {
  const { text, escapeWith } = state;
  const start = state.at;
  state.at++;
  put('', false);
  while (state.at < text.length) {
    const character = text[state.at] ?? '';
    if (character === '"') {
      state.at++;
      return;
    }
    if (character === '$') put(dollar(state), false);
    else if (character === escapeWith) {
      const next = text[state.at + 1] ?? '';
      put(next === '"' || next === '$' || next === escapeWith ? next : escapeWith + next, false);
      state.at += 2;
    } else {
      put(character, false);
      state.at++;
    }
  }
  throw new ExpansionError('a " is not closed', start);
}

function name(state: State): string {
  const found = NAME.exec(state.text.slice(state.at, state.at + 4096))?.[0] ?? '';
  state.at += found.length;
  return found;
}

function inside(state: State, stop: string, keepEscapes = false): string {
  let out = '';
  run(state, stop, keepEscapes, (part) => {
    out += part;
  });
  return out;
}

function dollar(state: State): string {
  const start = state.at;
  state.at++;
  if (state.text[state.at] !== '{') {
    const variable = name(state);
    return variable === '' ? '$' : (state.variables.get(variable) ?? '');
  }
  state.at++;
  const variable = name(state);
  if (variable === '')
    throw new ExpansionError('bad substitution: there is no name after the brace', start);
  const value = state.variables.get(variable);
  const next = state.text[state.at++] ?? '';
  if (next === '}') return value ?? '';
  if (next === '') throw new ExpansionError('a } is missing', start);
  if (next === '#' || next === '%') return cut(state, value ?? '', next);
  if (next === '/') return replaced(state, value ?? '');
  const hasColon = next === ':';
  const modifier = hasColon ? (state.text[state.at++] ?? '') : next;
  if (!'+-?'.includes(modifier) || modifier === '') {
    throw new ExpansionError(`unsupported modifier (${next}${hasColon ? modifier : ''})`, start);
  }
  const word = inside(state, '}');
  const isSet = value !== undefined && !(hasColon && value === '');
  if (modifier === '+') return isSet ? word : '';
  if (isSet) return value;
  if (modifier === '-') return word;
  throw new ExpansionError(`${variable}: ${word === '' ? 'not allowed to be unset' : word}`, start);
}

function cut(state: State, value: string, sign: '#' | '%'): string {
  const isGreedy = state.text[state.at] === sign;
  if (isGreedy) state.at++;
  const pattern = inside(state, '}', true);
  if (sign === '#') return value.slice(prefixLength(value, pattern, state.escapeWith, isGreedy));
  return value.slice(0, value.length - suffixLength(value, pattern, state.escapeWith, isGreedy));
}

function replaced(state: State, value: string): string {
  const isAll = state.text[state.at] === '/';
  if (isAll) state.at++;
  const pattern = inside(state, '/', true);
  const replacement = inside(state, '}');
  let out = '';
  let at = 0;
  while (at <= value.length) {
    const found = findPattern(value, at, pattern, state.escapeWith);
    if (found === undefined) break;
    out += value.slice(at, found.start) + replacement;
    at = found.end;
    if (found.end === found.start) {
      out += value.slice(at, at + 1);
      at++;
    }
    if (!isAll) break;
  }
  return out + value.slice(at);
}
