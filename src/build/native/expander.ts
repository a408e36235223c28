import {
  ExpansionError,
  expandHeredoc,
  expandWord,
  expandWords,
  type Variables,
} from '../dockerfile/expand.ts';
import { type EscapeCharacter, syntaxError, type Where } from '../dockerfile/text.ts';

/** Replaces the variables of text in an instruction. */
export interface Expander {
  word(text: string): string;
  words(text: string): readonly string[];
  heredoc(text: string): string;
}

/**
 * Replaces variables in an instruction.
 *
 * @throws SlipwayError `CONFIG_INVALID` with its place, from each method
 */
export function expanderOf(
  variables: Variables,
  escapeWith: EscapeCharacter,
  where: Where,
): Expander {
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw error instanceof ExpansionError ? syntaxError(where, error.message) : error;
    }
  };
  return {
    word: (text) => guarded(() => expandWord(text, variables, escapeWith)),
    words: (text) => guarded(() => expandWords(text, variables, escapeWith)),
    heredoc: (text) => guarded(() => expandHeredoc(text, variables)),
  };
}
