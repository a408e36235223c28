import type { Command } from 'commander';
import { builtStage, createStages, type DimgStages } from '../../dimg/build-dimgs.ts';
import type { ImageConfig } from '../../dimg/config.ts';
import { readProject } from '../../dimg/project.ts';
import { type Release, releasesOf, stageReleases } from '../../dimg/publish.ts';
import { pullStages } from '../../dimg/pull-stages.ts';
import { parseRepo } from '../../dimg/repo.ts';
import { onlyDimg, selectDimgs } from '../../dimg/select.ts';
import { type DimgSession, shownStageName } from '../../dimg/session.ts';
import type { RepositoryName } from '../../oci/reference.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';
import {
  addDimgFlags,
  addProjectFlags,
  addStageBuildFlags,
  addStageFlag,
  addTagFlags,
  type DimgFlags,
  type DimgPushFlags,
} from '../dimg-flags.ts';
import { pushWords } from '../dimg-push.ts';
import { nameLocally, opener, release } from '../dimg-release.ts';
import { hostsOfRepo, openDimgSession, repoAndPatterns, wantedTags } from '../dimg-session.ts';
import { stagesUpkeep } from './dimg-local.ts';
import { dimgRun } from './dimg-run.ts';
import { dimgUpkeep } from './dimg-upkeep.ts';

/** `slipway dimg build|push|bp|spush|tag|list|stages …` */
export function command(cli: Cli): Command {
  const dimg = newCommand('dimg', 'build and push the images of a werf.yaml, with its stages');
  const commands = [list(cli), build(cli), push(cli), buildAndPush(cli), simplePush(cli), tag(cli)];
  for (const child of [...commands, stages(cli), stage(cli), dimgRun(cli), ...dimgUpkeep(cli)])
    dimg.addCommand(child);
  return dimg;
}

function list({ output }: Cli): Command {
  const command = newCommand('list', 'show the names of the dimgs');
  return addProjectFlags(command).action(async (flags: DimgFlags) => {
    const { images } = await readProject(flags.dir ?? '.');
    for (const { kind, name } of images) {
      if (kind === 'dimg' && name !== undefined) output.out(`${name}\n`);
    }
  });
}

function build(cli: Cli): Command {
  const command = newCommand('build', 'build dimgs into the local store').argument(
    '[DIMG...]',
    'names or patterns; all if left out',
  );
  return addStageBuildFlags(addDimgFlags(command)).action(
    async (patterns: string[], flags: DimgFlags) => {
      await run(cli, flags, hostsOfRepo(flags.stagesFrom), async (context) => {
        const session = await openDimgSession(context, flags);
        const images = selectDimgs(session.config, patterns);
        await buildAll(createStages(session, 'build'), images);
      });
    },
  );
}

async function buildAll(stages: DimgStages, images: readonly ImageConfig[]): Promise<void> {
  for (const image of images) await stages.of(image);
}

const REPO = 'the last one is REPO: [HOST[:PORT]/]PATH, or :minikube; those before it name dimgs';

function push(cli: Cli): Command {
  const command = newCommand('push', 'push dimgs that are built to REPO/DIMG')
    .usage('[options] [DIMG...] REPO')
    .argument('[[DIMG] REPO...]', REPO);
  return addTagFlags(addDimgFlags(command))
    .option('--with-stages', 'also push the stages, to REPO:dimgstage-…')
    .action((words: string[], flags: DimgPushFlags) => pushWords(cli, words, flags, 'leave'));
}

function buildAndPush(cli: Cli): Command {
  const command = newCommand('bp', 'build dimgs and push them')
    .usage('[options] [DIMG...] REPO')
    .argument('[[DIMG] REPO...]', REPO);
  return addTagFlags(addStageBuildFlags(addDimgFlags(command)))
    .option('--with-stages', 'also push the stages, to REPO:dimgstage-…')
    .action((words: string[], flags: DimgPushFlags) => pushWords(cli, words, flags, 'build'));
}

function simplePush(cli: Cli): Command {
  const command = newCommand('spush', 'push one dimg to REPO itself')
    .usage('[options] [DIMG] REPO')
    .argument('[[DIMG] REPO...]', REPO);
  return addTagFlags(addDimgFlags(command))
    .option('--with-stages', 'accepted for users of werf; no stages are pushed')
    .action((words: string[], { withStages: _, ...flags }: DimgPushFlags) =>
      pushWords(cli, words, flags, 'leave', true),
    );
}

function tag(cli: Cli): Command {
  const command = newCommand('tag', 'give dimgs that are built the names of a push, locally')
    .usage('[options] [DIMG...] REPO')
    .argument('[[DIMG] REPO...]', REPO);
  return addTagFlags(addDimgFlags(command)).action(
    async (words: string[], flags: DimgPushFlags) => {
      const { repo: text, patterns } = repoAndPatterns(words);
      await run(cli, flags, [], async (context) => {
        const session = await openDimgSession(context, flags);
        const repo = parseRepo(text, session.project);
        const tags = await wantedTags(session, flags);
        const stages = createStages(session, 'leave');
        const releases: Release[] = [];
        for (const image of selectDimgs(session.config, patterns)) {
          releases.push(...(await releasesOf(session, await stages.of(image), { repo, tags })));
        }
        await nameLocally(context, session, releases);
      });
    },
  );
}

function stages(cli: Cli): Command {
  const group = newCommand('stages', 'push, pull and remove the stages of dimgs');
  const push = newCommand('push', 'push the stages of dimgs to REPO:dimgstage-…');
  const pull = newCommand(
    'pull',
    'take the last stages that REPO has and the store has not',
  ).option('--all', 'all of them');
  for (const [command, work] of [
    [push, pushStages],
    [pull, pullFrom],
  ] as const) {
    command.usage('[options] [DIMG...] REPO').argument('[[DIMG] REPO...]', REPO);
    group.addCommand(
      addDimgFlags(command).action(async (words: string[], flags: StagesFlags) => {
        const { repo: text, patterns } = repoAndPatterns(words);
        await run(cli, flags, hostsOfRepo(text), async (context) => {
          const session = await openDimgSession(context, flags, { repo: text });
          const repo = parseRepo(text, session.project);
          await work(context, session, selectDimgs(session.config, patterns), repo, flags);
        });
      }),
    );
  }
  for (const command of stagesUpkeep(cli)) group.addCommand(command);
  return group;
}

function stage(cli: Cli): Command {
  const group = newCommand('stage', 'tell of the stages of a dimg');
  const command = newCommand(
    'image',
    'show the name of the image of a stage in the local store',
  ).argument('[DIMG]', 'its name or pattern, if there are several');
  group.addCommand(
    addStageFlag(addDimgFlags(command)).action(
      async (pattern: string | undefined, flags: StageFlags) => {
        await run(cli, flags, [], async (context) => {
          const session = await openDimgSession(context, flags);
          const image = onlyDimg(
            selectDimgs(session.config, pattern === undefined ? [] : [pattern]),
          );
          const signed = await createStages(session, 'leave').of(image);
          const { signature } = builtStage(signed, flags.stage);
          context.output.out(`${shownStageName(session, signature)}\n`);
        });
      },
    ),
  );
  return group;
}

interface StageFlags extends DimgFlags {
  readonly stage?: string;
}

interface StagesFlags extends DimgFlags {
  readonly all?: boolean;
}

async function pushStages(
  context: Context,
  session: DimgSession,
  images: readonly ImageConfig[],
  repo: RepositoryName,
): Promise<void> {
  const open = await opener(session);
  const found = createStages(session, 'leave');
  const releases = await stageReleases(session, found, images, repo, open);
  await release(context, session, releases, open);
}

async function pullFrom(
  _: Context,
  session: DimgSession,
  images: readonly ImageConfig[],
  repo: RepositoryName,
  { all = false }: StagesFlags,
): Promise<void> {
  await pullStages(session, images, (await opener(session))(repo), { all });
}
