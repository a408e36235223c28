import { printable } from '../../bytes/printable.ts';
import { readFlags } from './flags.ts';
import { type Heredoc, heredocOf } from './heredoc.ts';
import type { CopyInstruction } from './instruction.ts';
import { type EscapeCharacter, type JoinedText, syntaxError, type Where } from './text.ts';
import { type Flag, jsonList } from './words.ts';

const SHARED = ['chown', 'chmod', 'exclude', 'link'];
const FLAGS = {
  COPY: [...SHARED, 'from', 'parents'],
  ADD: [...SHARED, 'keep-git-dir', 'checksum', 'unpack'],
};
/** Flags that only BuildKit follows. */
const ELSEWHERE = ['parents', 'keep-git-dir', 'checksum'];

/** Parses the rest of a COPY or ADD. */
export function parseCopy(
  keyword: 'COPY' | 'ADD',
  where: Where,
  rest: JoinedText,
  given: readonly Flag[],
  heredocs: readonly Heredoc[],
  escapeWith: EscapeCharacter,
): CopyInstruction {
  const flags = readFlags(keyword, given, FLAGS[keyword], {
    repeated: ['exclude'],
    bare: ['link', 'parents', 'keep-git-dir', 'unpack'],
  });
  const words = jsonList(rest) ?? rest.text.split(/\s+/).filter((word) => word !== '');
  const destination = words.at(-1);
  if (destination === undefined || words.length < 2) {
    throw syntaxError(where, `${keyword} needs a source and a destination`);
  }
  if (heredocOf(destination, escapeWith) !== undefined) {
    throw syntaxError(where, `${keyword} can't have a heredoc as its destination`);
  }
  const sources = words.slice(0, -1).filter((word) => heredocOf(word, escapeWith) === undefined);
  if (words.length > 2 && !destination.includes('$') && !isFolderName(destination)) {
    throw needsFolder(keyword, where, destination);
  }
  const from = flags.flag('from');
  const chown = flags.value('chown');
  const chmod = flags.value('chmod');
  const foreign = ELSEWHERE.find((name) => flags.isOn(name) === true);
  return {
    keyword,
    sources,
    heredocs,
    destination,
    ...(from === undefined ? {} : { from }),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    exclude: flags.all('exclude'),
    link: flags.isOn('link') ?? false,
    unpack: flags.isOn('unpack') ?? true,
    ...(foreign === undefined ? {} : { needs: `--${foreign}` }),
  };
}

/** True if a destination says by its spelling that it is a folder. */
export function isFolderName(destination: string): boolean {
  return destination === '' || destination === '.' || destination.endsWith('/');
}

/** The error for several sources and a destination that isn't said to be a folder. */
export function needsFolder(keyword: string, where: Where, destination: string) {
  return syntaxError(
    where,
    `${keyword} with more than one source needs a folder as its destination`,
    `end it with a slash: ${printable(destination)}/`,
  );
}
