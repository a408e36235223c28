import type { Command } from 'commander';
import { withRepo } from '../../dimg/cleanup.ts';
import { removeLeftovers } from '../../dimg/engine-leftovers.ts';
import { improperStages } from '../../dimg/improper-stages.ts';
import {
  cleanLocalStages,
  commitsOf,
  flushLocal,
  type LocalCleaning,
  removeNameless,
  removeOfAllProjects,
} from '../../dimg/local-upkeep.ts';
import { readRepoContents } from '../../dimg/repo-contents.ts';
import type { DimgSession } from '../../dimg/session.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';
import { addDimgFlags, type DimgFlags } from '../dimg-flags.ts';
import { inRepo, teller } from '../dimg-removal.ts';
import { openDimgSession } from '../dimg-session.ts';

interface StagesFlags extends DimgFlags {
  readonly improperCacheVersion?: boolean;
  readonly improperGitCommit?: boolean;
  readonly improperRepoCache?: boolean;
}

/** `slipway dimg cleanup`, beside its `repo` */
export function cleanupLocal(cli: Cli, command: Command): Command {
  return addDimgFlags(command).action(async (flags: DimgFlags) => {
    await run(cli, flags, [], async (context) => {
      const session = await openDimgSession(context, flags, { isCleanup: true });
      await removeNameless(cleaning(context, session), session.project);
      await cleanEngine(context, session, session.project);
    });
  });
}

/** `slipway dimg flush local` */
export function flushLocalCommand(cli: Cli): Command {
  const command = newCommand('local', 'remove what dimg tag named in the local store');
  command.option('--with-stages', 'the stages of the project, too');
  return addDimgFlags(command).action(
    async (flags: DimgFlags & { readonly withStages?: boolean }) => {
      await flush(cli, flags, { dimgs: true, stages: flags.withStages === true });
    },
  );
}

async function flush(
  cli: Cli,
  flags: DimgFlags,
  what: { readonly dimgs: boolean; readonly stages: boolean },
): Promise<void> {
  await run(cli, flags, [], async (context) => {
    const session = await openDimgSession(context, flags, { isCleanup: true });
    await flushLocal(cleaning(context, session), session.project, what);
    if (what.stages) await cleanEngine(context, session, session.project);
  });
}

/** `slipway dimg stages cleanup local|repo` and `slipway dimg stages flush local|repo` */
export function stagesUpkeep(cli: Cli): readonly Command[] {
  const cleanup = newCommand('cleanup', 'remove stages that are of no use');
  for (const where of ['local', 'repo'] as const) cleanup.addCommand(cleanStages(cli, where));
  const flush_ = newCommand('flush', 'remove all stages of the project');
  const local = newCommand('local', 'remove the stages of the project from the local store');
  flush_.addCommand(
    addDimgFlags(local).action(async (flags: DimgFlags) => {
      await flush(cli, flags, { dimgs: false, stages: true });
    }),
  );
  const repo = newCommand('repo', 'remove the stages of the project from REPO').argument('[REPO]');
  flush_.addCommand(
    addDimgFlags(repo).action(async (text: string | undefined, flags: DimgFlags) => {
      await inRepo(cli, flags, text, (session, removal) =>
        withRepo(session, removal, async ({ stages }) => stages),
      );
    }),
  );
  return [cleanup, flush_];
}

function cleanStages(cli: Cli, where: 'local' | 'repo'): Command {
  const command = newCommand(where, `remove stages from ${where === 'repo' ? 'REPO' : 'here'}`)
    .argument('[REPO]', where === 'repo' ? 'where they are' : 'for --improper-repo-cache')
    .option('--improper-cache-version', 'those of another version of the cache')
    .option('--improper-git-commit', 'those of commits that are gone, and what stands on them')
    .option('--improper-repo-cache', 'those on which no dimg in REPO stands');
  return addDimgFlags(command).action(async (text: string | undefined, flags: StagesFlags) => {
    const { improperRepoCache = false, improperGitCommit = false } = flags;
    const { improperCacheVersion: cacheVersion = false } = flags;
    if (!improperRepoCache && !improperGitCommit && !cacheVersion) throw nothingWanted();
    if (where === 'repo') {
      return await inRepo(cli, { ...flags, withStages: true }, text, (session, removal) =>
        withRepo(session, removal, async ({ stages, dimgs }) => {
          const gone = await improperStages(stages, {
            cacheVersion,
            ...(improperGitCommit ? { hasCommit: await commitsOf(session) } : {}),
            images: improperRepoCache ? dimgs.flat() : undefined,
          });
          return [...gone];
        }),
      );
    }
    const policies = { cacheVersion, gitCommit: improperGitCommit };
    if (!improperRepoCache) {
      return await run(cli, flags, [], async (context) => {
        const session = await openDimgSession(context, flags, { isCleanup: true });
        await cleanLocalStages(session, cleaning(context, session), policies);
      });
    }
    await inRepo(cli, { ...flags, withStages: true }, text, async (session, removal, context) => {
      const { dimgs } = await readRepoContents(session, removal.repo, removal.open);
      const images = dimgs.flat();
      await cleanLocalStages(session, cleaning(context, session), { ...policies, images });
    });
  });
}

/** `slipway dimg mrproper` */
export function mrproper(cli: Cli): Command {
  return newCommand('mrproper', 'remove images of all projects from the local store')
    .option('--all', 'all of them, and what builds keep beside them')
    .option('--improper-dev-mode-cache', 'those that --dev made')
    .option('--improper-cache-version-stages', 'stages of another version of the cache')
    .option('--dry-run', 'tell what would be done, and do nothing')
    .action(
      async (flags: {
        readonly all?: boolean;
        readonly improperDevModeCache?: boolean;
        readonly improperCacheVersionStages?: boolean;
        readonly dryRun?: boolean;
      }) => {
        const { all = false, improperDevModeCache: devMode = false } = flags;
        const { improperCacheVersionStages: cacheVersion = false, dryRun = false } = flags;
        if (!all && !devMode && !cacheVersion) {
          throw new SlipwayError('USAGE', 'what is to be removed has to be said', {
            hint: 'say --all, --improper-dev-mode-cache or --improper-cache-version-stages',
          });
        }
        await run(cli, {}, [], async (context) => {
          const place = cleaning(context, { store: await context.store(), dryRun });
          const policies = { all, devMode, cacheVersion };
          await removeOfAllProjects(place, await context.home(), policies);
          if (all) await cleanEngine(context, place, undefined);
        });
      },
    );
}

function cleaning(
  context: Context,
  { store, dryRun }: Pick<DimgSession, 'store' | 'dryRun'>,
): LocalCleaning {
  const { signal, emit } = context;
  return { store, dryRun, signal, emit, tell: teller(context) };
}

/** What builds left in an engine, if there is one. */
async function cleanEngine(
  context: Context,
  { dryRun }: Pick<DimgSession, 'dryRun'>,
  project: string | undefined,
): Promise<void> {
  const { signal } = context;
  const engine = await context.engine().catch((error: unknown) => {
    if (isSlipwayError(error, 'NO_ENGINE', 'NETWORK')) return undefined;
    throw error;
  });
  if (engine === undefined) return;
  await removeLeftovers(engine, project, { tell: teller(context), dryRun, signal });
}

function nothingWanted(): SlipwayError {
  return new SlipwayError('USAGE', 'which stages are to be removed has to be said', {
    hint: 'say --improper-cache-version, --improper-git-commit or --improper-repo-cache',
  });
}
