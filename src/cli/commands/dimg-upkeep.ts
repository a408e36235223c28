import type { Command } from 'commander';
import { cleanRepo, flushRepo, type Removal } from '../../dimg/cleanup.ts';
import { usedImages } from '../../dimg/clusters.ts';
import { parseRepo } from '../../dimg/repo.ts';
import type { DimgSession } from '../../dimg/session.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { addDimgFlags, type DimgFlags } from '../dimg-flags.ts';
import { hostsOfRepo, openDimgSession, repoAndPatterns } from '../dimg-session.ts';
import { safeLine } from '../output.ts';
import { cleanupLocal, flushLocalCommand, mrproper } from './dimg-local.ts';

interface UpkeepFlags extends DimgFlags {
  readonly withStages?: boolean;
  readonly withoutKube?: boolean;
}

type Work = (session: DimgSession, removal: Removal) => Promise<void>;

/** `slipway dimg cleanup repo REPO` and `slipway dimg flush repo REPO` */
export function dimgUpkeep(cli: Cli): readonly Command[] {
  const cleanup = cleanupLocal(
    cli,
    newCommand(
      'cleanup',
      'remove what builds left that were interrupted; with repo, what is no longer wanted there',
    ),
  );
  const clean = newCommand(
    'repo',
    'remove dimgs of branches, tags and commits that are gone, or old',
  ).option('--without-kube', 'ask no Kubernetes cluster which images it uses; these go, too');
  cleanup.addCommand(
    removing(cli, clean, async (session, removal, { withoutKube }) => {
      const { signal } = session;
      const used = () => usedImages({ signal });
      await cleanRepo(session, withoutKube === true ? removal : { ...removal, used });
    }),
  );
  const flush = newCommand('flush', 'remove all images of the project');
  flush.addCommand(
    removing(cli, newCommand('repo', 'remove all dimgs of the project from REPO'), flushRepo),
  );
  flush.addCommand(flushLocalCommand(cli));
  return [cleanup, flush, mrproper(cli)];
}

function removing(
  cli: Cli,
  command: Command,
  work: (...args: [...Parameters<Work>, flags: UpkeepFlags]) => Promise<void>,
): Command {
  command
    .argument('[REPO]', '[HOST[:PORT]/]PATH; its REPO/DIMG are meant, too')
    .option('--with-stages', 'also stages that no image needs which stays');
  return addDimgFlags(command).action(async (text: string | undefined, flags: UpkeepFlags) => {
    const { repo } = repoAndPatterns(text === undefined ? [] : [text]);
    await run(cli, flags, hostsOfRepo(repo), async (context) => {
      const session = await openDimgSession(context, flags, { repo, isCleanup: true });
      const registries = await session.registries();
      const removal: Removal = {
        repo: parseRepo(repo, session.project),
        open: (repository) => registries.repository(repository),
        withStages: flags.withStages === true,
        tell: (name) => context.output.out(`${safeLine(name)}\n`),
      };
      await work(session, removal, flags);
    });
  });
}
