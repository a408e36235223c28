import { readManifest } from '../content/graph.ts';
import {
  canListReferrers,
  type Lister,
  type Signalled,
  type Source,
} from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isManifestType } from '../oci/mediatype.ts';

/** A tag and what it names. */
export interface TaggedManifest {
  readonly tag: string;
  readonly descriptor: Descriptor;
}

const AT_ONCE = 8;

/** All tags of a place with what they name; a tag that goes away meanwhile is left out. */
export async function listTags(
  place: Source & Lister,
  options: Signalled = {},
): Promise<readonly TaggedManifest[]> {
  const names: string[] = [];
  for await (const name of place.list(options)) names.push(name);
  const found: (TaggedManifest | undefined)[] = [];
  let next = 0;
  // There may be very many: those whose turn has not come are nothing but their names.
  const resolveSome = async (): Promise<void> => {
    for (let at = next++; at < names.length; at = next++) {
      options.signal?.throwIfAborted();
      const tag = names[at] ?? '';
      try {
        found[at] = { tag, descriptor: await place.resolve(tag, options) };
      } catch (error) {
        if (isSlipwayError(error, 'NOT_FOUND')) continue;
        next = names.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, resolveSome));
  return found.filter((each) => each !== undefined);
}

/**
 * A manifest that a tag reaches; without a tag of its own if it only stands below another one or
 * belongs to it.
 */
export interface ReachedManifest {
  readonly descriptor: Descriptor;
  readonly tags: readonly string[];
}

/**
 * Every manifest that the tags reach, indexes opened, with the signatures and the like that belong
 * to them, each digest once. What is named and isn't there is left out.
 */
export async function listManifests(
  place: Source & Lister,
  options: Signalled = {},
): Promise<readonly ReachedManifest[]> {
  const reached = new Map<string, { descriptor: Descriptor; tags: string[] }>();
  const reach = async (descriptor: Descriptor, tag: string | undefined): Promise<void> => {
    const known = reached.get(descriptor.digest);
    if (known !== undefined) {
      if (tag !== undefined) known.tags.push(tag);
      return;
    }
    const document = await readManifest(place, descriptor, options).then(
      (node) => node.document,
      (error: unknown) => {
        if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
        throw error;
      },
    );
    if (document === undefined) return;
    reached.set(descriptor.digest, { descriptor, tags: tag === undefined ? [] : [tag] });
    for (const child of document.kind === 'index' ? document.manifests : []) {
      if (isManifestType(child.mediaType)) await reach(child, undefined);
    }
    if (!canListReferrers(place)) return;
    for (const referrer of await place.referrers(descriptor.digest, options)) {
      await reach(referrer, undefined);
    }
  };
  for (const { tag, descriptor } of await listTags(place, options)) await reach(descriptor, tag);
  return [...reached.values()];
}
