import { type Graph, graphOf } from '../content/graph.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Repository } from '../registry/repository.ts';
import { ALL, ARCHITECTURES } from './architectures.ts';
import { checkBuildDate } from './build-date.ts';
import type { Call, Wanted } from './call.ts';
import { type History, type Release, readHistory } from './releases.ts';
import { earlierList, replacedEntries } from './rollback-lists.ts';

/** The images to go back to: one version, one day. */
export interface Earlier {
  readonly version: string;
  readonly date: string;
  readonly releases: readonly Release[];
}

/** An image, and the tags that are to stand for it. */
interface Move {
  readonly tags: readonly string[];
  readonly graph: Graph;
  readonly to: Descriptor;
}

/** `rollback`: moves tags back to what they stood for on an earlier day, as one publication. */
export async function rollback(call: Call): Promise<void> {
  const { site, names } = call;
  const history = await readHistory(call);
  const releases = asked(call, history);
  const newest = newestCurrent(releases);
  const earlier = choose(call, releases, newest, history.releases);
  const { reference } = names.list('latest', '', 'latest');
  const repository = (await site.registries()).repository(reference);
  for (const when of ['Later', 'Current', 'Earlier'] as const) {
    const fitting = releases.filter(({ date }) => whenIs(date, newest) === when);
    for (const date of datesOf(fitting)) site.say(`${when}: ${date}`);
  }
  const moves = await movesTo(call, history, earlier, repository);
  const before = new Map<string, Digest | undefined>();
  const moved = moves.flatMap(({ tags, to }) => tags.map((tag) => ({ tag, to })));
  for (const { tag } of moved) before.set(tag, history.tags.get(tag)?.descriptor.digest);
  const { host } = repository.repository;
  await site.publish(
    async (): Promise<Wanted> => ({
      images: moves.map(({ graph, tags }) => ({
        graph,
        destinations: [{ target: repository, names: tags, host }],
      })),
      condition: { kind: 'planned', tags: new Map([[repository.name, before]]) },
    }),
  );
  if (site.isDryRun || site.isJson) return;
  for (const { tag, to } of moved) {
    const from = before.get(tag);
    const name = `${repository.name}:${tag}`;
    if (from === to.digest) site.tell(`${name} stays at ${to.digest}`);
    else site.tell(`${name} moved from ${from ?? 'nothing'} to ${to.digest}`);
  }
}

function wantedArchitecture({ variables }: Call): string | undefined {
  const architecture = variables.given('ARCH');
  return architecture === ALL ? undefined : architecture;
}

/** Every architecture goes back, and the lists with them. */
function isWhole(call: Call): boolean {
  const isSkipping = ARCHITECTURES.some(({ name }) => call.variables.isSet(`SKIP_${name}`));
  return wantedArchitecture(call) === undefined && !isSkipping;
}

/** The releases among which one is chosen. */
function asked(call: Call, { releases }: History): readonly Release[] {
  const { variables } = call;
  const architecture = wantedArchitecture(call);
  const version = variables.given(variables.versionName) ?? variables.given('VERSION');
  return releases.filter(
    (each) =>
      (architecture === undefined || each.architecture === architecture) &&
      (version === undefined || each.version === version) &&
      !variables.isSet(`SKIP_${each.architecture}`),
  );
}

/** The last of the days whose images the tags of the architectures stand for. */
function newestCurrent(releases: readonly Release[]): string | undefined {
  // Releases come newest first.
  return releases.find(({ isCurrent }) => isCurrent)?.date;
}

function whenIs(date: string, current: string | undefined): 'Later' | 'Current' | 'Earlier' {
  if (date === current) return 'Current';
  return current !== undefined && date > current ? 'Later' : 'Earlier';
}

/** The day that was named, else the one before the current one. */
function choose(
  call: Call,
  releases: readonly Release[],
  newest: string | undefined,
  all: readonly Release[],
): Earlier {
  const { variables, names } = call;
  const named = variables.given('BUILDDATE');
  if (named !== undefined) checkBuildDate(named);
  const candidates = releases.filter((each) =>
    named === undefined
      ? !each.isCurrent && (newest === undefined || each.date < newest)
      : each.date === named,
  );
  const [first] = candidates;
  const { text } = names.list('latest', '', 'latest');
  const repository = text.replace(/:[^:]*$/, '');
  if (first === undefined) {
    const there = datesOf(releases.length === 0 ? all : releases);
    throw new SlipwayError(
      'NOT_FOUND',
      named === undefined
        ? `${repository} has no earlier date to go back to`
        : `no tag of ${repository} has the date ${named}`,
      {
        side: 'destination',
        hint: there.length === 0 ? 'no tag of it has a date' : `there are ${there.join(', ')}`,
      },
    );
  }
  const ofDay = releases.filter(({ date }) => date === first.date);
  const versions = new Set(ofDay.map(({ version }) => version));
  if (versions.size > 1) {
    throw new SlipwayError('USAGE', `${first.date} has images of ${versions.size} versions`, {
      hint: `say which: ${[...versions].map((version) => `${variables.versionName}=${version}`).join(', ')}`,
    });
  }
  return { version: first.version, date: first.date, releases: ofDay };
}

function datesOf(releases: readonly Release[]): readonly string[] {
  const days = releases.map(({ date, version }) =>
    version === '' ? date : `${date} (${version})`,
  );
  return [...new Set(days)];
}

async function movesTo(
  call: Call,
  history: History,
  earlier: Earlier,
  repository: Repository,
): Promise<readonly Move[]> {
  const { names, site } = call;
  const { version } = earlier;
  const moves: Move[] = [];
  for (const { architecture, tag } of earlier.releases) {
    const { descriptor } = history.tags.get(tag) as { descriptor: Descriptor };
    const graph = graphOf(repository, descriptor, `${repository.name}:${tag}`);
    const own = names.entry('latest', architecture, '').reference.tag;
    const tags = new Set([own]);
    if (version !== '') tags.add(names.entry('version', architecture, version).reference.tag);
    moves.push({ graph, to: descriptor, tags: [...tags] });
  }
  const lists = [names.list('latest', '').reference.tag];
  if (version !== '') lists.push(names.list('version', version).reference.tag);
  for (const tag of lists) {
    const found = history.tags.get(tag);
    const isImage = moves.some((move) => move.tags.includes(tag));
    if (found === undefined || isImage) continue;
    const graph = isWhole(call)
      ? await earlierList(call, history, earlier, repository)
      : await replacedEntries(call, found, history, earlier, repository);
    if (graph === undefined) {
      site.say(`${repository.name}:${tag} has no entry for it and stays as it is.`);
      continue;
    }
    moves.push({ graph, to: await graph.root(), tags: [tag] });
  }
  return moves;
}
