import type { Digest } from '../oci/digest.ts';
import { listTags, type TaggedManifest } from '../upkeep/list-tags.ts';
import { ALL, ARCHITECTURES, hostArchitecture } from './architectures.ts';
import { isBuildDate } from './build-date.ts';
import type { Call } from './call.ts';
import { tagReader, withoutVersion } from './template.ts';

/** One image of one architecture that was pushed on some day. */
export interface Release {
  readonly architecture: string;
  /** empty if it has none */
  readonly version: string;
  /** `YYYYMMDD` */
  readonly date: string;
  readonly tag: string;
  readonly digest: Digest;
  /** the tag of the architecture stands for it now */
  readonly isCurrent: boolean;
}

/** What a repository's tags say of its past. */
export interface History {
  /** newest first */
  readonly releases: readonly Release[];
  readonly tags: ReadonlyMap<string, TaggedManifest>;
}

/** Reads the tags of the image's repository. */
export async function readHistory(call: Call): Promise<History> {
  const { site, names, variables } = call;
  const { reference } = names.list('latest', '', 'latest');
  const repository = (await site.registries()).repository(reference);
  const all = await listTags(repository, { signal: site.signal });
  const tags = new Map(all.map((each) => [each.tag, each]));
  const releases: Release[] = [];
  for (const architecture of architecturesOf(call)) {
    const lookUp = (name: string) => variables.lookUp(name, architecture, '');
    const templates = [names.templates.date, withoutVersion(names.templates.date)];
    const readers = templates.map((text) => tagReader(text, lookUp, 'the tags of slipway.yaml'));
    const now = tags.get(names.entry('latest', architecture, '').reference.tag);
    for (const { tag, descriptor } of all) {
      const parts = readers.map((read) => read(tag)).find((each) => each !== undefined);
      if (parts === undefined || !isBuildDate(parts.date)) continue;
      const { digest } = descriptor;
      releases.push({
        architecture,
        ...parts,
        tag,
        digest,
        isCurrent: now?.descriptor.digest === digest,
      });
    }
  }
  return { releases: releases.sort(newestFirst), tags };
}

/** Tags without an architecture are those of one image. */
function architecturesOf({ names, variables }: Call): ReadonlySet<string> {
  const known = ARCHITECTURES.map(({ name }) => name);
  const own = variables.architecture === ALL ? hostArchitecture() : variables.architecture;
  return new Set(names.templates.date.includes('$(ARCH)') ? [...known, own] : [own]);
}

function newestFirst(one: Release, other: Release): number {
  if (one.date !== other.date) return one.date < other.date ? 1 : -1;
  const byVersion = other.version.localeCompare(one.version, 'en', { numeric: true });
  return byVersion !== 0 ? byVersion : orderOf(one) - orderOf(other);
}

function orderOf({ architecture }: Release): number {
  return ARCHITECTURES.findIndex(({ name }) => name === architecture);
}
