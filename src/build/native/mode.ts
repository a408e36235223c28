import { quoted, syntaxError, type Where } from '../dockerfile/text.ts';

/** What becomes of permission bits. */
export type ModeChange = (mode: number, isFolder: boolean) => number;

const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };
const BITS: Readonly<Record<string, number>> = { r: 0o444, w: 0o222, x: 0o111, t: 0o1000 };
const COPIED: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/;

/**
 * Reads `--chmod`: octal bits, or `u=rwX,go-w` as chmod takes them.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function parseMode(text: string, where: Where): ModeChange {
  if (/^[0-7]{1,5}$/.test(text) && Number.parseInt(text, 8) <= 0o7777) {
    const mode = Number.parseInt(text, 8);
    return () => mode;
  }
  const steps = text.split(',').flatMap((clause) => {
    const [, who = '', actions = ''] = CLAUSE.exec(clause) ?? [];
    if (actions === '') {
      const hint = 'write octal bits (--chmod=755), or letters (--chmod=u=rwX,go=rX)';
      throw syntaxError(where, `${quoted(text)} is no mode`, hint);
    }
    return (actions.match(/[-+=][^-+=]*/g) ?? []).map((action) => stepOf(who || 'a', action));
  });
  return (mode, isFolder) => steps.reduce((bits, step) => step(bits, isFolder), mode);
}

function stepOf(who: string, action: string): ModeChange {
  const mask = [...who].reduce((bits, letter) => bits | (WHO[letter] ?? 0), 0);
  const operator = action[0];
  const letters = action.slice(1);
  return (mode, isFolder) => {
    const bits = bitsOf(letters, mode, isFolder) & mask;
    if (operator === '+') return mode | bits;
    if (operator === '-') return mode & ~bits;
    // What isn't said of folders' special bits stays.
    return (mode & ~(mask & (isFolder ? 0o777 : 0o7777))) | bits;
  };
}

function bitsOf(letters: string, mode: number, isFolder: boolean): number {
  const from = COPIED[letters];
  if (from !== undefined) return ((mode >> from) & 7) * 0o111;
  let bits = 0;
  for (const letter of letters) {
    if (letter === 'X') bits |= isFolder || (mode & 0o111) !== 0 ? 0o111 : 0;
    else if (letter === 's') bits |= 0o6000;
    else bits |= BITS[letter] ?? 0;
  }
  return bits;
}
