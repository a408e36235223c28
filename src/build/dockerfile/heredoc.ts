import type { EscapeCharacter, JoinedText, Where } from './text.ts';
import { splitWords, unquote } from './words.ts';

/** A heredoc that an instruction opens. */
export interface HeredocStart {
  readonly name: string;
  /** `<<-`: tabs at the start of each line don't count */
  readonly stripTabs: boolean;
  /** its name isn't quoted: variables in it are replaced */
  readonly expands: boolean;
  readonly where: Where;
}

/** A heredoc with its lines. */
export interface Heredoc extends HeredocStart {
  readonly content: string;
}

const WITH_HEREDOCS = /^(?:ONBUILD\s+)?(?:ADD|COPY|RUN)\s/i;

/** The heredoc that a word of an instruction is, if it is one. */
export function heredocOf(
  word: string,
  escapeWith: EscapeCharacter,
): Omit<HeredocStart, 'where'> | undefined {
  const [, dash, rest = ''] = /^[0-9]*<<(-?)([^<]+)$/.exec(word) ?? [];
  if (rest === '' || /\s/.test(rest)) return undefined;
  const name = unquote(rest, escapeWith);
  if (name === undefined || name === '') return undefined;
  return { name, stripTabs: dash === '-', expands: name === rest };
}

/** The heredocs that an instruction opens, in their order. */
export function heredocsOf(
  joined: JoinedText,
  escapeWith: EscapeCharacter,
): readonly HeredocStart[] {
  if (!WITH_HEREDOCS.test(joined.text)) return [];
  return splitWords(joined.text, escapeWith).flatMap(({ text, start }) => {
    const found = heredocOf(text, escapeWith);
    return found === undefined ? [] : [{ ...found, where: joined.at(start) }];
  });
}
