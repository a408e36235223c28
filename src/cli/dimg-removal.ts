import type { Removal } from '../dimg/cleanup.ts';
import { parseRepo } from '../dimg/repo.ts';
import type { DimgSession } from '../dimg/session.ts';
import { type Cli, run } from './command.ts';
import type { Context } from './context.ts';
import type { DimgFlags } from './dimg-flags.ts';
import { hostsOfRepo, openDimgSession, repoAndPatterns } from './dimg-session.ts';
import { safeLine } from './output.ts';

/** Runs what removes images from REPO, and prints their names. */
export async function inRepo(
  cli: Cli,
  flags: DimgFlags & { readonly withStages?: boolean },
  text: string | undefined,
  work: (session: DimgSession, removal: Removal, context: Context) => Promise<void>,
): Promise<void> {
  const { repo } = repoAndPatterns(text === undefined ? [] : [text]);
  await run(cli, flags, hostsOfRepo(repo), async (context) => {
    const session = await openDimgSession(context, flags, { repo, isCleanup: true });
    const registries = await session.registries();
    const removal: Removal = {
      repo: parseRepo(repo, session.project),
      open: (repository) => registries.repository(repository),
      withStages: flags.withStages === true,
      tell: teller(context),
    };
    await work(session, removal, context);
  });
}

/** Prints the name of what goes. */
export function teller({ output }: Context): (name: string) => void {
  return (name) => output.out(`${safeLine(name)}\n`);
}
