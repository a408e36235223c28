import { basename, dirname } from 'node:path';
import { askProgram } from '../build/engines/program.ts';
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
  // A repository's own settings must not start programs.
  const settings = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];
  const args = [...settings, ...words, ...(isNamed ? [basename(path)] : [])];
  const env = {
    GIT_OPTIONAL_LOCKS: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_TERMINAL_PROMPT: '0',
    LC_ALL: 'C',
  };
  const answer = await askProgram('git', args, { cwd: dirname(path), env, signal });
  return answer?.status === 0;
}
