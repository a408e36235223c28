import { fromMemory } from '../bytes/stream.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import {
  announce,
  announcementOf,
  announcementTag,
  type NoticeBoard,
  newWriterId,
} from './announcements.ts';
import { type AnnouncedOptions, appendAnnounced } from './append-announced.ts';
import { readManifest } from './graph.ts';
import { type CurrentIndex, mergeEntries, readIndex } from './index-entries.ts';
import { MAX_ROUNDS, pause, tooBusy, writeIndex } from './index-write.ts';
import type { ConditionTester, Signalled } from './transport.ts';

/** What an append came to. */
export interface Appended {
  readonly root: Descriptor;
  readonly entries: readonly Descriptor[];
  /** how writers that work at the same time were kept from losing each other's entries */
  readonly how: 'conditions' | 'announcements';
}

/** Refusals while the tag stands still: the registry knows content by other names than we do. */
const MAX_UNEXPLAINED = 3;

/**
 * Adds entries to the index of a tag, and loses none that others add at the same time; the content
 * has to be there. An entry gives way to a new one for the same platform. Where nothing has the tag
 * an index is made; a single image becomes its first entry.
 *
 * A registry that honours conditions (RFC 9110, 13.1) is given each new index only for the one that
 * was read. On any other, each writer announces its entries under a tag of its own before it reads,
 * and writes until what it reads holds all that is announced.
 *
 * @throws SlipwayError `CONDITION_FAILED` if others change the tag all the time
 */
export async function appendToIndex(
  target: NoticeBoard & ConditionTester,
  tag: string,
  entries: readonly Descriptor[],
  options: AnnouncedOptions = {},
): Promise<Appended> {
  const id = newWriterId();
  const ownTag = announcementTag(tag, id);
  const own = announcementOf(id, 'active', entries);
  const { signal } = options;
  try {
    // Nothing has that tag: a registry that looks at conditions refuses, any other is announced to.
    await announce(target, ownTag, own, { signal, expected: digestOf(id) });
  } catch (error) {
    if (!isSlipwayError(error, 'CONDITION_FAILED')) throw error;
    const current = await appendOnCondition(target, tag, entries, { signal });
    if (current !== undefined) return appended(current, 'conditions');
    await announce(target, ownTag, own, { signal });
  }
  const current = await appendAnnounced(target, tag, id, entries, options);
  return appended(current, 'announcements');
}

/** Undefined if the registry's conditions are not what they should be. */
async function appendOnCondition(
  target: NoticeBoard & ConditionTester,
  tag: string,
  entries: readonly Descriptor[],
  { signal }: Signalled,
): Promise<CurrentIndex | undefined> {
  let unexplained = 0;
  let honoursAbsent: boolean | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const current = await readIndex(target, tag, { signal });
    const merged = mergeEntries(current.entries, entries);
    if (merged === current.entries && current.root !== undefined) return current;
    if (current.root === undefined) {
      honoursAbsent ??= await refusesAbsent(target, entries, { signal });
      if (!honoursAbsent) return undefined;
    }
    const expected = current.root?.digest ?? 'absent';
    try {
      await writeIndex(target, tag, { ...current, entries: merged }, { signal, expected });
      unexplained = 0;
    } catch (error) {
      if (!isSlipwayError(error, 'CONDITION_FAILED')) throw error;
      const now = await readIndex(target, tag, { signal });
      unexplained = now.root?.digest === current.root?.digest ? unexplained + 1 : 0;
      if (unexplained === MAX_UNEXPLAINED) return undefined;
      await pause(signal);
    }
  }
  throw tooBusy(target, tag);
}

async function refusesAbsent(
  target: NoticeBoard & ConditionTester,
  entries: readonly Descriptor[],
  options: Signalled,
): Promise<boolean> {
  const present = entries[0];
  if (present === undefined) return false;
  const { bytes } = await readManifest(target, present, options);
  return await target.refusesConditions(present, (offset) => fromMemory(bytes, offset), options);
}

function appended(current: CurrentIndex, how: Appended['how']): Appended {
  const entries = current.entries.map(({ descriptor }) => descriptor);
  return { root: current.root as Descriptor, entries, how };
}
