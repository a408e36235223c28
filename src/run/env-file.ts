/**
 * The lines of an env file that say something, as docker reads them: blank lines and comments are
 * left out, and so are blanks before a name; those after a value belong to it.
 */
export function envFileLines(
  text: string,
): readonly { readonly word: string; readonly line: number }[] {
  return text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .map((line, at) => ({ word: line.trimStart(), line: at + 1 }))
    .filter(({ word }) => word !== '' && !word.startsWith('#'));
}
