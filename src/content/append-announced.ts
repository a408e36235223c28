import { isSlipwayError } from '../errors.ts';
import { type Emit, silent } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import {
  type Announcement,
  type AnnouncementReader,
  announce,
  announcementOf,
  announcementTag,
  isLeft,
  isLive,
  type NoticeBoard,
  readAnnouncements,
  retire,
} from './announcements.ts';
import { type CurrentIndex, type IndexEntry, mergeEntries, readIndex } from './index-entries.ts';
import { MAX_ROUNDS, pause, tooBusy, writeIndex } from './index-write.ts';
import type { Signalled } from './transport.ts';

export interface AnnouncedOptions extends Signalled {
  readonly emit?: Emit;
  /** how long writers that are still at work are waited for before cleaning up; default 5,000 */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 5_000;
const MAX_TRIES = 5;

/** One writer and what it has learnt. */
interface Writer {
  readonly target: NoticeBoard;
  /** of the index */
  readonly tag: string;
  readonly id: string;
  readonly entries: readonly Descriptor[];
  readonly reader: AnnouncementReader;
  /** everything that others were ever seen to announce, but for what is settled */
  readonly seen: Map<string, Announcement>;
  /** writers that were done, with nobody at work, before we began: all theirs was in the index */
  settled: ReadonlySet<string> | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Adds entries whose announcement, `active`, stands under the writer's tag, and takes it away when
 * nothing of it can be lost any more. docs/decisions/0005-append-without-locks.md is the proof.
 *
 * @throws SlipwayError `CONDITION_FAILED` if others change the tag all the time
 */
export async function appendAnnounced(
  target: NoticeBoard,
  tag: string,
  id: string,
  entries: readonly Descriptor[],
  options: AnnouncedOptions,
): Promise<CurrentIndex> {
  const { signal, emit = silent, patienceMs = PATIENCE_MS } = options;
  const reader = readAnnouncements(target, tag);
  const writer: Writer = {
    target,
    tag,
    id,
    entries,
    reader,
    seen: new Map(),
    settled: undefined,
    signal,
  };
  const ownTag = announcementTag(tag, id);
  const active = announcementOf(id, 'active', entries);
  const done = announcementOf(id, 'done', entries);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    await converge(writer);
    await announce(target, ownTag, done, { signal });
    const left = await waitForOthers(writer, patienceMs);
    // Only what is read after that says whether anything can still be lost.
    const current = await readIndex(target, tag, { signal });
    if (mergeEntries(current.entries, wanted(writer)) !== current.entries) {
      await announce(target, ownTag, active, { signal });
      continue;
    }
    const own = { id, tag: ownTag, digest: done.root.digest };
    // While others are at work ours stays: they, or the next one to come, clean up.
    if (left !== undefined) await retireAll(writer, [...left, own], emit);
    // It has no tag any more; whether the registry keeps it doesn't matter.
    await target.removeManifest(active.root.digest, { signal }).catch(ignoreFailure);
    return current;
  }
  throw tooBusy(target, tag);
}

/** Writes until the index holds everything that is announced. */
async function converge(writer: Writer): Promise<void> {
  const { target, tag, id, reader, seen, signal } = writer;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    // The announcements first: what is gone from there is in the index that is read after it.
    const announced = await reader.read({ signal });
    const others = announced.filter((each) => each.id !== id);
    writer.settled ??= settledAmong(others);
    for (const each of others) if (!writer.settled.has(each.id)) seen.set(each.id, each);
    const current = await readIndex(target, tag, { signal });
    const merged = mergeEntries(current.entries, wanted(writer));
    const isHeld = merged === current.entries && current.root !== undefined;
    // A list of tags may lag behind; until our own is in it, others' may be missing too.
    const isListed = announced.length > others.length;
    if (isHeld && isListed) return;
    if (!isHeld) await writeIndex(target, tag, { ...current, entries: merged }, { signal });
    if (!isListed) await pause(signal);
  }
  throw tooBusy(target, tag);
}

/** With nobody at work, what others are done with is in the index, or was taken out since. */
function settledAmong(others: readonly Announcement[]): ReadonlySet<string> {
  const isAlone = others.every(({ state }) => state === 'done');
  return new Set(isAlone ? others.map(({ id }) => id) : []);
}

/** Our entries and all that were announced; of two for one platform the later one counts. */
function wanted({ seen, id, entries }: Writer): readonly Descriptor[] {
  const lists = new Map([...seen.values()].map((each) => [each.id, each.entries]));
  lists.set(id, entries);
  const inOrder = [...lists].sort(([a], [b]) => (a < b ? -1 : 1));
  let all: readonly IndexEntry[] = [];
  for (const [, list] of inOrder) all = mergeEntries(all, list);
  return all.map(({ descriptor }) => descriptor);
}

/** Waits until no other writer is at work: then what is left over; undefined if some still are. */
async function waitForOthers(
  { reader, id, signal }: Writer,
  patienceMs: number,
): Promise<readonly Announcement[] | undefined> {
  const endAt = performance.now() + patienceMs;
  for (;;) {
    const others = (await reader.read({ signal })).filter((each) => each.id !== id);
    if (!others.some(isLive)) return others.filter(isLeft);
    if (performance.now() > endAt) return undefined;
    await pause(signal, 4);
  }
}

async function retireAll(
  { target, signal }: Writer,
  announcements: readonly Pick<Announcement, 'id' | 'tag' | 'digest'>[],
  emit: Emit,
): Promise<void> {
  for (const each of announcements) {
    if (await retire(target, each, { signal })) continue;
    emit({
      type: 'warning',
      message: `${target.name} deletes nothing: the tag ${each.tag}, which kept the writers of one index apart, stays there, empty`,
    });
  }
}

function ignoreFailure(error: unknown): void {
  if (!isSlipwayError(error)) throw error;
}
