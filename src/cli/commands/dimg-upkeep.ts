import type { Command } from 'commander';
import { cleanRepo, flushRepo, type Removal } from '../../dimg/cleanup.ts';
import { usedImages } from '../../dimg/clusters.ts';
import type { DimgSession } from '../../dimg/session.ts';
import { type Cli, newCommand } from '../command.ts';
import { addDimgFlags, type DimgFlags } from '../dimg-flags.ts';
import { inRepo } from '../dimg-removal.ts';
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
    await inRepo(cli, flags, text, (session, removal) => work(session, removal, flags));
  });
}
