import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { formatPlatform, isUnknownPlatform, normalizePlatform } from '../oci/platform.ts';
import { ALL, type Architecture } from './architectures.ts';
import type { Call } from './call.ts';
import { type FoundEntry, findEntries, listEntries, type WantedEntry } from './entries.ts';
import { listGraph } from './list-graph.ts';
import { listedArchitectures, listOfTags, presentAmong } from './list-members.ts';
import type { FullName, ListKind } from './names.ts';

const SKIPPED_BY: Readonly<Record<ListKind, string>> = {
  latest: 'SKIP_LATESTTAG',
  version: 'SKIP_VERSIONTAG',
  date: 'SKIP_BUILDDATETAG',
};

/** Each round is one in which somebody pushed an entry meanwhile. */
const MAX_ROUNDS = 20;

/** `annotate_latest`, `annotate_version`, `annotate_date`: joins images to a list. */
export async function annotate(call: Call, kind: ListKind): Promise<void> {
  const { site, variables, names } = call;
  const architectures = listedArchitectures(call);
  // latest is never something else by accident.
  const tagName = kind === 'latest' ? variables.said('TAGNAME') : variables.given('TAGNAME');
  const isVersioned = kind !== 'latest' && tagName === undefined;
  const version = isVersioned ? await versionOf(call, architectures) : '';
  if (isVersioned && version === '') {
    throw new SlipwayError('USAGE', `${variables.versionName} is not defined`, {
      hint: `say ${variables.versionName}=…, or where it comes from under make: version: in slipway.yaml`,
    });
  }
  if (variables.isSet('SKIP_ANNOTATE') || variables.isSet(SKIPPED_BY[kind])) {
    const { text } = names.image(variables.architecture, '').image;
    site.say(`Skipping manifest: ${text}.`);
    site.say(`Skipping annotate: ${text}.`);
    return;
  }
  const list = names.list(kind, version, tagName);
  const wanted =
    listOfTags(call, list) ??
    architectures.map(({ name, platform }) => ({
      name: names.entry(kind, name, version, tagName),
      platform,
    }));
  if (wanted.length === 0) {
    throw new SlipwayError('USAGE', `nothing is left for the list ${list.text}`, {
      hint: 'every architecture is skipped; an index needs at least one image',
    });
  }
  await joinImages(
    call,
    list,
    wanted,
    variables.architecture === ALL && variables.given('TAGSLIST') === undefined,
  );
}

/** The version of the first image that there is, that of ARCH before others. */
async function versionOf(call: Call, listed: readonly Architecture[]): Promise<string> {
  const { architecture } = call.variables;
  const own = architecture === ALL ? [] : [architecture];
  let missing: unknown;
  for (const name of new Set([...own, ...listed.map((each) => each.name)])) {
    try {
      return await call.version(name);
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
      missing ??= error;
    }
  }
  if (missing === undefined) return '';
  throw missing;
}

/**
 * Lets the list stand for what the entries' tags stand for. Who writes last has looked at them
 * again after that: of any number of runs at once, the last one leaves what the tags say.
 */
async function joinImages(
  call: Call,
  list: FullName,
  wanted: readonly WantedEntry[],
  isPresentOnly: boolean,
): Promise<void> {
  const { site } = call;
  const { signal, emit } = site;
  if (site.isDryRun && !site.isJson) {
    site.tell(list.text);
    for (const { name } of wanted) site.tell(name.text);
    return;
  }
  const registries = await site.registries();
  const target = registries.repository(list.reference);
  const { host, tag } = list.reference;
  const look = async () => {
    const entries = isPresentOnly ? await presentAmong(call, wanted) : wanted;
    return await findEntries(registries, entries, { signal });
  };
  let found = await look();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const entries: Descriptor[] = [];
    for (const each of found) entries.push(...(await listEntries(each, { signal, emit })));
    refuseTwins(entries, list);
    const graph = listGraph(
      entries,
      found.map(({ repository }) => repository),
      list.text,
    );
    await site.publish(async () => ({
      images: [{ graph, destinations: [{ target, names: [tag], host }] }],
    }));
    if (site.isDryRun) return;
    const before = found;
    found = await look();
    if (isSame(before, found)) return;
  }
  throw new SlipwayError('CONDITION_FAILED', `the images of ${list.text} are pushed all the time`, {
    side: 'destination',
    hint: 'run the same command again',
  });
}

/** Nobody could tell which of two images for one platform is meant. */
function refuseTwins(entries: readonly Descriptor[], list: FullName): void {
  const seen = new Set<string>();
  for (const { platform } of entries) {
    if (platform === undefined || isUnknownPlatform(platform)) continue;
    const name = formatPlatform(normalizePlatform(platform));
    if (seen.has(name)) {
      throw new SlipwayError('USAGE', `${list.text} would have two images for ${name}`, {
        hint: 'leave one of them out',
      });
    }
    seen.add(name);
  }
}

function isSame(before: readonly FoundEntry[], now: readonly FoundEntry[]): boolean {
  return (
    before.length === now.length &&
    before.every(({ root }, at) => root.digest === now[at]?.root.digest)
  );
}
