import type { Signalled, Source, Target } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import {
  formatPlatform,
  isUnknownPlatform,
  matchesPlatform,
  type Platform,
} from '../oci/platform.ts';
import { type CurrentIndex, type IndexEntry, withoutDigests } from './index-entries.ts';
import { editIndex, type IndexChange } from './index-write.ts';

/** Which entry of an index is meant. */
export type EntryChoice = Digest | Platform;

/** What an entry, or the index itself, should say. */
export interface IndexNotes {
  /** the entry; the index itself if left out */
  readonly entry?: EntryChoice | undefined;
  /** added to those that are there */
  readonly annotations?: Readonly<Record<string, string>>;
  /** parts of the entry's platform that should be as given here */
  readonly platform?: Partial<Platform>;
}

/**
 * Annotates the index that a tag names, or one entry of it.
 *
 * @throws SlipwayError `NOT_FOUND`, `PLATFORM_NOT_FOUND`, `CONTENT_INVALID`, `UNSUPPORTED` for
 * annotations of a Docker manifest list, which has none
 */
export async function annotateIndex(
  target: Source & Target,
  tag: string,
  notes: IndexNotes,
  options: Signalled = {},
): Promise<Descriptor> {
  return await editIndex(target, tag, annotation(target, tag, notes), options);
}

/** The change that {@link annotateIndex} makes. */
export function annotation(target: Source & Target, tag: string, notes: IndexNotes): IndexChange {
  const { entry, annotations = {}, platform = {} } = notes;
  const hasAnnotations = Object.keys(annotations).length > 0;
  return (index) => {
    if (hasAnnotations && index.mediaType !== MEDIA_TYPE.ociIndex) throw noAnnotations(target);
    if (entry === undefined) return { ...index, json: withAnnotations(index.json, annotations) };
    const chosen = choose(index, entry, `${target.name}:${tag}`);
    return {
      ...index,
      entries: index.entries.map((each) => {
        if (!chosen.includes(each)) return each;
        const json = withAnnotations(each.json as JsonObject, annotations);
        const described = { ...(isJsonObject(json.platform) ? json.platform : {}), ...platform };
        const hasPlatform = Object.keys(described).length > 0;
        return { ...each, json: hasPlatform ? { ...json, platform: described } : json };
      }),
    };
  };
}

/**
 * Takes entries out of the index that a tag names, and the attestations that belong to them. Their
 * content stays.
 *
 * @throws SlipwayError `NOT_FOUND`, `PLATFORM_NOT_FOUND`, `USAGE` if none would be left
 */
export async function removeFromIndex(
  target: Source & Target,
  tag: string,
  choices: readonly EntryChoice[],
  options: Signalled = {},
): Promise<Descriptor> {
  return await editIndex(target, tag, removal(target, tag, choices), options);
}

/** The change that {@link removeFromIndex} makes. */
export function removal(
  target: Source & Target,
  tag: string,
  choices: readonly EntryChoice[],
): IndexChange {
  return (index) => {
    const gone = choices.flatMap((choice) => choose(index, choice, `${target.name}:${tag}`));
    const digests = new Set(gone.map(({ descriptor }) => descriptor.digest));
    const entries = withoutDigests(index.entries, digests);
    if (entries.length > 0) return { ...index, entries };
    throw new SlipwayError('USAGE', `nothing would be left in ${target.name}:${tag}`, {
      hint: `slipway rm ${target.name}:${tag} removes the tag`,
    });
  };
}

function choose(index: CurrentIndex, choice: EntryChoice, name: string): readonly IndexEntry[] {
  const found = index.entries.filter(({ descriptor: { digest, platform } }) =>
    isDigest(choice)
      ? digest === choice
      : platform !== undefined && matchesPlatform(choice, platform),
  );
  if (found.length > 0) return found;
  const there = index.entries.flatMap(({ descriptor: { platform } }) =>
    platform === undefined || isUnknownPlatform(platform) ? [] : [formatPlatform(platform)],
  );
  const wanted = isDigest(choice) ? choice : formatPlatform(choice);
  throw new SlipwayError('PLATFORM_NOT_FOUND', `${name} has no entry ${wanted}`, {
    side: 'destination',
    hint: there.length === 0 ? 'its index names no platforms' : `it has ${there.join(', ')}`,
  });
}

function withAnnotations(
  json: JsonObject,
  annotations: Readonly<Record<string, string>>,
): JsonObject {
  if (Object.keys(annotations).length === 0) return json;
  const before = isJsonObject(json.annotations) ? json.annotations : {};
  return { ...json, annotations: { ...before, ...annotations } };
}

function noAnnotations({ name }: Target): SlipwayError {
  return new SlipwayError('UNSUPPORTED', `a manifest list of ${name} takes no annotations`, {
    hint: 'slipway index create --types oci makes an index that does',
  });
}
