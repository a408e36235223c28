import { type Graph, graphOf, readManifest } from '../content/graph.ts';
import { asEntry, type IndexEntry, withoutDigests } from '../content/index-entries.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { matchesPlatform } from '../oci/platform.ts';
import type { Repository } from '../registry/repository.ts';
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
 * A list with some architectures' entries as they were on that day, all others byte for byte as
 * they are; undefined if it has none of them.
 */
export async function replacedEntries(
  call: Call,
  list: TaggedManifest,
  { tags }: History,
  { releases }: Day,
  repository: Repository,
): Promise<Graph | undefined> {
  const { signal } = call.site;
  const { document } = await readManifest(repository, list.descriptor, { signal });
  if (document.kind !== 'index') return undefined;
  const raw = document.json.manifests as readonly unknown[];
  let entries: readonly IndexEntry[] = document.manifests.map((descriptor, at) => ({
    descriptor,
    json: raw[at],
  }));
  let isIn = false;
  for (const release of releases) {
    const old = entryFor(entries, release);
    if (old === undefined) continue;
    isIn = true;
    entries = swapped(entries, old, await entriesOf(call, tags, release, repository));
  }
  if (!isIn) return undefined;
  const manifests = entries.map(({ json }) => json);
  return indexGraph(
    { ...document.json, manifests },
    [repository],
    `${repository.name}:${list.tag}`,
  );
}

function entryFor(
  entries: readonly IndexEntry[],
  { architecture }: Release,
): IndexEntry | undefined {
  const platform = findArchitecture(architecture)?.platform;
  return entries.find(
    ({ descriptor }) =>
      platform !== undefined &&
      descriptor.platform !== undefined &&
      matchesPlatform(platform, descriptor.platform),
  );
}

/** The entries with a new one in the place of an old one, whose attestations go with it. */
function swapped(
  entries: readonly IndexEntry[],
  old: IndexEntry,
  [fresh, ...attached]: readonly Descriptor[],
): readonly IndexEntry[] {
  const { digest } = old.descriptor;
  // What else stands at it was said of this image.
  if (fresh === undefined || fresh.digest === digest) return entries;
  const placed = entries.map((each) => (each === old ? asEntry(fresh) : each));
  const isElsewhere = placed.some(({ descriptor }) => descriptor.digest === digest);
  const kept = isElsewhere ? placed : withoutDigests(placed, new Set([digest]));
  const there = new Set(kept.map(({ descriptor }) => descriptor.digest));
  return [...kept, ...attached.filter((each) => !there.has(each.digest)).map(asEntry)];
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
