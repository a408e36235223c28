import { type Graph, graphOf, readManifest } from '../content/graph.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isJsonObject } from '../oci/json.ts';
import { matchesPlatform } from '../oci/platform.ts';
import type { Repository } from '../registry/repository.ts';
import { asEntry, withoutDigests } from '../upkeep/index-entries.ts';
import type { TaggedManifest } from '../upkeep/list-tags.ts';
import { findArchitecture } from './architectures.ts';
import type { Call } from './call.ts';
import { listEntries } from './entries.ts';
import { indexGraph, listGraph } from './list-graph.ts';
import type { History, Release } from './releases.ts';

interface Day {
  readonly version: string;
  readonly date: string;
  readonly releases: readonly Release[];
}

/** The list of a day: the one that has its date, else one of that day's images. */
export async function earlierList(
  call: Call,
  { tags }: History,
  { version, date, releases }: Day,
  repository: Repository,
): Promise<Graph> {
  const { names } = call;
  const dated = tags.get(names.listOfDate(version, date));
  const name = `${repository.name}: the list of ${date}`;
  if (dated !== undefined) return graphOf(repository, dated.descriptor, name);
  const entries: Descriptor[] = [];
  for (const release of releases)
    entries.push(...(await entriesOf(call, tags, release, repository)));
  return listGraph(entries, [repository], name);
}

/**
 * A list with one architecture's entry as it was on that day, all others byte for byte as they are;
 * undefined if it has none.
 */
export async function replacedEntry(
  call: Call,
  list: TaggedManifest,
  { tags }: History,
  { releases }: Day,
  repository: Repository,
): Promise<Graph | undefined> {
  const { signal } = call.site;
  const [release] = releases;
  const platform = findArchitecture(release?.architecture ?? '')?.platform;
  const { document } = await readManifest(repository, list.descriptor, { signal });
  if (document.kind !== 'index' || release === undefined || platform === undefined)
    return undefined;
  const raw = document.json.manifests as readonly unknown[];
  const at = document.manifests.findIndex(
    (each) => each.platform !== undefined && matchesPlatform(platform, each.platform),
  );
  const replaced = document.manifests[at];
  if (replaced === undefined) return undefined;
  const [fresh, ...attached] = await entriesOf(call, tags, release, repository);
  if (fresh === undefined) return undefined;
  const before = raw[at];
  // What else stands there (annotations of the entry) was said of another image.
  const entry = isJsonObject(before) && replaced.digest === fresh.digest ? before : fresh;
  const swapped = document.manifests.map((descriptor, place) => ({
    descriptor: place === at ? fresh : descriptor,
    json: place === at ? entry : raw[place],
  }));
  const isOrphaned = !document.manifests.some(
    ({ digest }, place) => place !== at && digest === replaced.digest,
  );
  const gone = new Set(isOrphaned && replaced.digest !== fresh.digest ? [replaced.digest] : []);
  const kept = withoutDigests(swapped, gone);
  const there = new Set(kept.map(({ descriptor }) => descriptor.digest));
  const added = attached.filter(({ digest }) => !there.has(digest)).map(asEntry);
  const manifests = [...kept, ...added].map(({ json }) => json);
  return indexGraph(
    { ...document.json, manifests },
    [repository],
    `${repository.name}:${list.tag}`,
  );
}

async function entriesOf(
  { site, names }: Call,
  tags: History['tags'],
  { architecture, tag }: Release,
  repository: Repository,
): Promise<readonly Descriptor[]> {
  const { signal, emit } = site;
  const { descriptor: root } = tags.get(tag) as TaggedManifest;
  const platform = findArchitecture(architecture)?.platform;
  const name = names.entry('latest', architecture, '');
  return await listEntries({ name, platform, repository, root }, { signal, emit });
}
