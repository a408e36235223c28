import { basename, dirname } from 'node:path';
import { askGit } from '../build/git-program.ts';
import type { Signalled } from '../content/transport.ts';

/** True if git keeps the file: everybody who can read the repository can read it. */
export async function isTracked(path: string, { signal }: Signalled): Promise<boolean> {
  return await saysYes(['ls-files', '--error-unmatch', '--'], path, signal);
}

/** True if the file stands in a git repository that wouldn't ignore it. */
export async function wouldBeAdded(path: string, { signal }: Signalled): Promise<boolean> {
  const isInside = await saysYes(['rev-parse', '--is-inside-work-tree'], path, signal, false);
  return isInside && !(await saysYes(['check-ignore', '--quiet', '--'], path, signal));
}

async function saysYes(
  words: readonly string[],
  path: string,
  signal: AbortSignal | undefined,
  isNamed = true,
): Promise<boolean> {
  const args = isNamed ? [...words, basename(path)] : words;
  const env = { GIT_LITERAL_PATHSPECS: '1' };
  const answer = await askGit(args, { cwd: dirname(path), env, signal });
  return answer?.status === 0;
}
