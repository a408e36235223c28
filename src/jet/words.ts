import type { Value } from './document.ts';

/**
 * Splits a command into words as a shell does with quotes and backslashes, and does nothing else:
 * `$`, `|`, `>` and `&&` are words like others. A text says what is wrong with it.
 */
export function splitText(text: string): readonly string[] | string {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at] as string;
    const next = text[at + 1];
    if (quote === "'") {
      if (character === quote) quote = '';
      else word += character;
    } else if (quote === '"') {
      if (character === quote) quote = '';
      else if (character === '\\' && next !== undefined && '\\"$`\n'.includes(next)) {
        word += next;
        at += 1;
      } else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= '';
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === '\\' && next !== undefined) {
      word = (word ?? '') + next;
      at += 1;
    } else word = (word ?? '') + character;
  }
  if (quote !== '') return `has a ${quote} that is not closed`;
  if (word !== undefined) words.push(word);
  return words.length === 0 ? 'is empty' : words;
}

/**
 * A command: words in one text, or a list of them.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function commandOf(value: Value): readonly string[] {
  if (value.isList) return value.list().map((each) => each.text());
  const words = splitText(value.text());
  if (typeof words === 'string') throw value.wrong(words);
  return words;
}
