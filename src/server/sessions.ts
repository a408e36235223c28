import type { IncomingMessage } from 'node:http';
import type { DigestAlgorithm } from '../oci/digest.ts';
import type { Hold } from '../state/exclusive.ts';
import { Refusal } from './errors.ts';
import { openSession, type Session } from './session.ts';
import type { UploadFiles } from './upload-files.ts';

/**
 * The upload sessions of a storage folder (distribution-spec, "Pushing blobs"). They are kept on
 * disk: a registry that is started again, and another one on the same folder, go on with them.
 */
export interface Sessions {
  /**
   * Begins an upload and gives its id.
   *
   * @throws Refusal `TOOMANYREQUESTS`
   */
  open(repository: string, algorithm: DigestAlgorithm): Promise<string>;
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
  /** Removes what nobody has touched for too long. */
  sweep(): Promise<void>;
  /** Ends the sweeping; the sessions stay. */
  close(): Promise<void>;
}

export interface SessionsOptions {
  /** how many there may be at once */
  readonly maxSessions: number;
  /** how long one lives that nobody touches */
  readonly expireMs: number;
  /** mode of the files, which become blobs */
  readonly fileMode: number;
  /** nothing is written, and nothing expires */
  readonly readOnly: boolean;
}

/** What this process knows of a session. */
interface Slot {
  /** the hash so far, which only counts while the file is as long as what was hashed */
  hashed: Session['hashed'];
  /** the request that is at it, and the end of its work */
  inHand: { readonly request: IncomingMessage; readonly done: Promise<void> } | undefined;
}

/** A session that nobody has touched for so long makes place for a new one. */
const STALE_AFTER_MS = 60_000;

/** Keeps sessions in `files`. */
export function createSessions(files: UploadFiles, options: SessionsOptions): Sessions {
  const { maxSessions, expireMs, fileMode, readOnly } = options;
  const slots = new Map<string, Slot>();
  let sweeping: Promise<void> = Promise.resolve();

  /** Removes sessions that are older than this and that nobody is at; says how many. */
  const removeIdle = async (olderThanMs: number, atMost: number): Promise<number> => {
    const before = Date.now() - olderThanMs;
    const old = (await files.list()).filter(({ usedAtMs }) => usedAtMs < before);
    let removed = 0;
    for (const { id } of old.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (removed >= atMost) break;
      const hold = slots.get(id)?.inHand === undefined ? await files.hold(id) : undefined;
      if (hold === undefined) continue;
      try {
        await files.remove(id);
      } finally {
        hold.release();
      }
      slots.delete(id);
      removed += 1;
    }
    return removed;
  };
  const sweep = async () => {
    if (readOnly) return;
    await removeIdle(expireMs, Number.POSITIVE_INFINITY);
    for (const [id, slot] of slots) {
      if (slot.inHand === undefined && (await files.read(id)) === undefined) slots.delete(id);
    }
  };
  const timer = setInterval(
    () => {
      sweeping = sweeping.then(sweep).catch(() => {});
    },
    Math.max(10, Math.min(expireMs / 2, 60_000)),
  );
  timer.unref();

  /** Another repository's session is none: its id says nothing here. */
  const find = async (id: string, repository: string) => {
    const record = await files.read(id);
    if (record?.repository === repository) return record;
    throw new Refusal('BLOB_UPLOAD_UNKNOWN', 'there is no such upload, or it ended');
  };
  const settled = async (id: string): Promise<void> => {
    const inHand = slots.get(id)?.inHand;
    if (inHand?.request.destroyed) await inHand.done;
  };

  const workOn = async <T>(
    id: string,
    repository: string,
    slot: Slot,
    work: (session: Session) => Promise<T>,
  ): Promise<T> => {
    const hold: Hold | undefined = await files.hold(id);
    if (hold === undefined) throw busy();
    try {
      const { algorithm } = await find(id, repository).catch(async (error: unknown) => {
        // It ended just now, and the lock was made anew by our own look at it.
        if ((await files.read(id)) === undefined) await files.remove(id);
        throw error;
      });
      const session = await openSession(
        files,
        { id, repository, algorithm },
        slot.hashed,
        fileMode,
      );
      try {
        return await work(session);
      } finally {
        await session.close();
        slot.hashed = session.hashed;
        if (session.isOver) slots.delete(id);
        else await files.touch(id);
      }
    } finally {
      hold.release();
    }
  };

  return {
    async open(repository, algorithm) {
      if ((await files.count()) >= maxSessions) {
        if ((await removeIdle(Math.min(STALE_AFTER_MS, expireMs), 1)) === 0) {
          throw new Refusal('TOOMANYREQUESTS', 'too many uploads at once', {
            headers: { 'retry-after': '5' },
          });
        }
      }
      return await files.create({ repository, algorithm });
    },
    async use(id, repository, request, work) {
      await find(id, repository);
      await settled(id);
      const slot = slots.get(id) ?? { hashed: undefined, inHand: undefined };
      if (slot.inHand !== undefined) throw busy();
      slots.set(id, slot);
      const working = workOn(id, repository, slot, work);
      const done = working.then(
        () => {},
        () => {},
      );
      slot.inHand = { request, done };
      try {
        return await working;
      } finally {
        slot.inHand = undefined;
      }
    },
    async heldBytes(id, repository) {
      await find(id, repository);
      await settled(id);
      await find(id, repository);
      if (!readOnly) await files.touch(id);
      return await files.heldBytes(id);
    },
    sweep,
    async close() {
      clearInterval(timer);
      await sweeping;
    },
  };
}

function busy(): Refusal {
  return new Refusal('BLOB_UPLOAD_INVALID', 'another request is writing to this upload', {
    status: 409,
    headers: { 'retry-after': '1' },
  });
}
