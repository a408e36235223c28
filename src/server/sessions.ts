import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Ingest } from '../content/ingest.ts';
import type { DigestAlgorithm } from '../oci/digest.ts';
import { Refusal } from './errors.ts';

/** An upload that was begun (distribution-spec, "Pushing blobs"). */
export interface Session {
  /** 22 characters, 128 random bits: who doesn't know it can't touch the upload */
  readonly id: string;
  readonly repository: string;
  readonly algorithm: DigestAlgorithm;
  /** what was written so far; nothing is made on disk before the first byte */
  ingest: Ingest | undefined;
  /** ends the use of the repository, once there is an ingest */
  release: (() => void) | undefined;
}

/** The upload sessions of one registry. They end with it. */
export interface Sessions {
  /** @throws Refusal `TOOMANYREQUESTS` */
  open(repository: string, algorithm: DigestAlgorithm): Promise<Session>;
  /**
   * Works on a session while nobody else does. A request whose connection was cut is waited for:
   * what it brought counts.
   *
   * @throws Refusal `BLOB_UPLOAD_UNKNOWN`; 409 `BLOB_UPLOAD_INVALID` if another request is at it
   */
  use<T>(
    id: string,
    repository: string,
    request: IncomingMessage,
    work: (session: Session) => Promise<T>,
  ): Promise<T>;
  /** How many bytes a session holds; a request that is still bringing more isn't waited for. */
  heldBytes(id: string, repository: string): Promise<number>;
  /** Ends a session and removes what it wrote. */
  drop(session: Session): Promise<void>;
  /** Ends all. */
  close(): Promise<void>;
}

interface Slot {
  readonly session: Session;
  usedAtMs: number;
  /** the request that is at it, and the end of its work */
  inHand: { readonly request: IncomingMessage; readonly done: Promise<void> } | undefined;
}

/** A session that nobody has touched for so long makes place for a new one. */
const STALE_AFTER_MS = 60_000;

/**
 * @param maxSessions how many there may be at once
 * @param expireMs how long one lives that nobody touches
 */
export function createSessions(maxSessions: number, expireMs: number): Sessions {
  const slots = new Map<string, Slot>();

  const remove = async (slot: Slot): Promise<void> => {
    slots.delete(slot.session.id);
    await slot.inHand?.done;
    const { session } = slot;
    const { ingest, release } = session;
    session.ingest = undefined;
    session.release = undefined;
    try {
      await ingest?.abort();
    } finally {
      release?.();
    }
  };
  const idle = (olderThanMs: number) => {
    const before = performance.now() - olderThanMs;
    return [...slots.values()].filter(
      (slot) => slot.inHand === undefined && slot.usedAtMs < before,
    );
  };
  const sweep = async () => {
    await Promise.allSettled(idle(expireMs).map(remove));
  };
  const timer = setInterval(() => void sweep(), Math.max(10, Math.min(expireMs / 2, 60_000)));
  timer.unref();

  /** Another repository's session is none: its id says nothing here. */
  const find = (id: string, repository: string): Slot => {
    const slot = slots.get(id);
    if (slot !== undefined && slot.session.repository === repository) return slot;
    throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'there is no such upload, or it ended');
  };
  const settled = async (slot: Slot): Promise<void> => {
    if (slot.inHand?.request.destroyed) await slot.inHand.done;
  };

  return {
    async open(repository, algorithm) {
      if (slots.size >= maxSessions) {
        const [oldest] = idle(Math.min(STALE_AFTER_MS, expireMs)).sort(
          (a, b) => a.usedAtMs - b.usedAtMs,
        );
        if (oldest === undefined) {
          throw new Refusal('TOOMANYREQUESTS', 'too many uploads at once', {
            headers: { 'retry-after': '5' },
          });
        }
        await remove(oldest);
      }
      const id = randomBytes(16).toString('base64url');
      const session = { id, repository, algorithm, ingest: undefined, release: undefined };
      slots.set(id, { session, usedAtMs: performance.now(), inHand: undefined });
      return session;
    },
    async use(id, repository, request, work) {
      await settled(find(id, repository));
      const slot = find(id, repository);
      if (slot.inHand !== undefined) {
        throw new Refusal('BLOB_UPLOAD_INVALID', 'another request is writing to this upload', {
          status: 409,
          headers: { 'retry-after': '1' },
        });
      }
      const working = work(slot.session);
      const done = working.then(
        () => {},
        () => {},
      );
      slot.inHand = { request, done };
      try {
        return await working;
      } finally {
        slot.inHand = undefined;
        slot.usedAtMs = performance.now();
      }
    },
    async heldBytes(id, repository) {
      await settled(find(id, repository));
      const slot = find(id, repository);
      slot.usedAtMs = performance.now();
      return slot.session.ingest?.size ?? 0;
    },
    async drop(session) {
      const slot = slots.get(session.id);
      if (slot === undefined) return;
      slot.inHand = undefined;
      await remove(slot);
    },
    async close() {
      clearInterval(timer);
      await Promise.allSettled([...slots.values()].map(remove));
    },
  };
}
