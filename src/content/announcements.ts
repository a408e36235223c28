import { randomBytes } from 'node:crypto';
import { fromMemory } from '../bytes/stream.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestHex, digestOf } from '../oci/digest.ts';
import { readManifest } from './graph.ts';
import { asEntry, type EncodedIndex, emptyIndex, encodeIndex } from './index-entries.ts';
import type { Lister, ManifestRemover, Signalled, Source, Target } from './transport.ts';

/** Where writers that don't know each other announce what they add. */
export type NoticeBoard = Source & Target & Lister & ManifestRemover;

/**
 * What a writer is about. `active`: it may still write what it read earlier. `done`: it has seen
 * everything that was announced in the index, and writes no more. `retired`: it counts for nothing.
 */
export type AnnouncementState = 'active' | 'done' | 'retired';

/** What one writer wants to stand in the index of a tag. */
export interface Announcement {
  /** sorts by time */
  readonly id: string;
  readonly tag: string;
  readonly state: AnnouncementState;
  readonly entries: readonly Descriptor[];
  readonly digest: Digest;
}

const STATE = 'dev.slipway.append.state';
const ID = 'dev.slipway.append.id';
const MARK = '.slipway-append-';
/** A tag has 128 characters, and what is added needs 40 of them. */
const MAX_PREFIX = 80;
/** No writer works so long: whoever is still `active` then was killed. */
const DEAD_AFTER_SECONDS = 3600;
/** Who is done takes its own away, or has given up waiting for others. */
const LEFT_AFTER_SECONDS = 120;

/** A new writer's id: its time, so that later ones sort behind, and what makes it unique. */
export function newWriterId(): string {
  const seconds = Math.floor(Date.now() / 1000);
  return `${seconds.toString(16).padStart(8, '0')}-${randomBytes(6).toString('hex')}`;
}

/** True for a writer that may still be at work. */
export function isLive({ id, state }: Announcement): boolean {
  return state === 'active' && ageSeconds(id) < DEAD_AFTER_SECONDS;
}

/** True for what its writer did not take away, and won't any more. */
export function isLeft({ id, state }: Announcement): boolean {
  return ageSeconds(id) > (state === 'active' ? DEAD_AFTER_SECONDS : LEFT_AFTER_SECONDS);
}

function ageSeconds(id: string): number {
  return Date.now() / 1000 - Number.parseInt(id, 16);
}

/** The tag of an announcement for an index's tag. */
export function announcementTag(tag: string, id: string): string {
  return `${prefixOf(tag)}${id}`;
}

function prefixOf(tag: string): string {
  const short = tag.length <= MAX_PREFIX ? tag : digestHex(digestOf(tag)).slice(0, MAX_PREFIX);
  return `${short}${MARK}`;
}

/** The document by which a writer announces entries. */
export function announcementOf(
  id: string,
  state: AnnouncementState,
  entries: readonly Descriptor[],
): EncodedIndex {
  const empty = emptyIndex();
  return encodeIndex({
    ...empty,
    json: { ...empty.json, annotations: { [ID]: id, [STATE]: state } },
    entries: state === 'retired' ? [] : entries.map(asEntry),
  });
}

/** Puts an announcement under its tag. */
export async function announce(
  board: NoticeBoard,
  tag: string,
  { root, bytes }: EncodedIndex,
  options: Signalled & { readonly expected?: Digest } = {},
): Promise<void> {
  await board.tag(root, tag, (offset) => fromMemory(bytes, offset), options);
}

/** Reads announcements; each document is read once. */
export interface AnnouncementReader {
  /** All that are there for a tag, the earliest first; those that go away meanwhile are left out. */
  read(options?: Signalled): Promise<readonly Announcement[]>;
}

/** Makes a reader for the announcements of one tag. */
export function readAnnouncements(board: NoticeBoard, tag: string): AnnouncementReader {
  const prefix = prefixOf(tag);
  const known = new Map<Digest, Announcement>();

  const readOne = async (name: string, options: Signalled): Promise<Announcement | undefined> => {
    try {
      const root = await board.resolve(name, options);
      const before = known.get(root.digest);
      if (before !== undefined) return before;
      const { document } = await readManifest(board, root, options);
      const state = document.annotations?.[STATE];
      const isOurs = document.kind === 'index' && isState(state);
      // Somebody else's tag that only looks like one.
      if (!isOurs || document.annotations?.[ID] !== name.slice(prefix.length)) return undefined;
      const found: Announcement = {
        id: name.slice(prefix.length),
        tag: name,
        state,
        entries: document.manifests,
        digest: root.digest,
      };
      known.set(root.digest, found);
      return found;
    } catch (error) {
      if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  };

  return {
    async read(options = {}) {
      const names: string[] = [];
      for await (const name of board.list(options)) {
        if (name.startsWith(prefix) && WRITER_ID.test(name.slice(prefix.length))) names.push(name);
      }
      const found = await Promise.all(names.sort().map((name) => readOne(name, options)));
      return found.filter(
        (each) => each !== undefined && each.state !== 'retired',
      ) as Announcement[];
    },
  };
}

const WRITER_ID = /^[0-9a-f]{8}-[0-9a-f]{12}$/;

function isState(text: string | undefined): text is AnnouncementState {
  return text === 'active' || text === 'done' || text === 'retired';
}

/**
 * Takes an announcement away, or empties it where nothing can be deleted.
 *
 * @returns false if its tag stays
 */
export async function retire(
  board: NoticeBoard,
  { id, tag, digest }: Pick<Announcement, 'id' | 'tag' | 'digest'>,
  options: Signalled = {},
): Promise<boolean> {
  try {
    await board.removeManifest(digest, options);
    return true;
  } catch (error) {
    if (!isSlipwayError(error, 'UNSUPPORTED', 'DENIED', 'AUTH_REQUIRED')) throw error;
  }
  await announce(board, tag, announcementOf(id, 'retired', []), options);
  return false;
}
