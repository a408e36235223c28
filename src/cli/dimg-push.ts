import { buildReleases } from '../dimg/build-ahead.ts';
import { createStages } from '../dimg/build-dimgs.ts';
import { releasesOf, stageReleases } from '../dimg/publish.ts';
import { parseRepo } from '../dimg/repo.ts';
import { onlyDimg, selectDimgs } from '../dimg/select.ts';
import { type Cli, run } from './command.ts';
import type { DimgPushFlags } from './dimg-flags.ts';
import { opener, orLater, release } from './dimg-release.ts';
import { hostsOfRepo, openDimgSession, repoAndPatterns, wantedTags } from './dimg-session.ts';

/** Pushes the dimgs that the words of a command name; `build` builds what isn't there. */
export async function pushWords(
  cli: Cli,
  words: readonly string[],
  flags: DimgPushFlags,
  missing: 'build' | 'leave',
  isPlain = false,
): Promise<void> {
  const { repo: text, patterns } = repoAndPatterns(words);
  await run(cli, flags, hostsOfRepo(text), async (context) => {
    const session = await openDimgSession(context, flags, { repo: text });
    const repo = parseRepo(text, session.project);
    const images = selectDimgs(session.config, patterns);
    if (isPlain) onlyDimg(images);
    const tags = await wantedTags(session, flags);
    const look = await opener(session);
    const withStages = flags.withStages === true;
    const place = { repo, isPlain, tags, look, withStages };
    if (missing === 'build') {
      const { stages, releases } = await orLater(() => buildReleases(session, images, place));
      const below = withStages ? await stageReleases(session, stages, images, repo, look) : [];
      return await release(context, session, [...below, ...releases], look);
    }
    const stages = createStages(session, 'leave');
    const below = withStages ? await stageReleases(session, stages, images, repo, look) : [];
    const signed = await Promise.all(images.map(stages.of));
    const found = await Promise.all(signed.map((each) => releasesOf(session, each, place)));
    await release(context, session, [...below, ...found.flat()], look);
  });
}
