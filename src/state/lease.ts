import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { tryHold } from './exclusive.ts';

/** Proof that a process is alive and uses something. It ends with the process, however that dies. */
export interface Lease {
  /** 16 hex digits; files that are named after it can be removed when the lease is dead */
  readonly id: string;
  /** when it began, by the clock of the file system, in milliseconds */
  readonly startMs: number;
  /** Writes down something that is used, one line, for others to read. */
  note(line: string): Promise<void>;
  release(): Promise<void>;
}

/** What can be seen of a lease from outside. */
export interface LeaseRecord {
  readonly id: string;
  readonly startMs: number;
  readonly notes: readonly string[];
}

/** The leases of a folder. */
export interface Leases {
  readonly live: readonly LeaseRecord[];
  /** ids of leases whose processes are gone; nothing was removed */
  readonly dead: readonly string[];
}

const LEASE_FILE = /^([0-9a-f]{16})\.lease$/;
const ENDINGS = ['.notes', '.lease'];

/**
 * Begins a lease in the folder `dir`, which is made if it is missing. The caller holds the lock
 * that {@link readLeases} is called under: between its birth and its lock a lease looks dead.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `NO_SPACE`
 */
export async function takeLease(dir: string): Promise<Lease> {
  const id = randomBytes(8).toString('hex');
  const path = join(dir, `${id}.lease`);
  const notesPath = join(dir, `${id}.notes`);
  try {
    await mkdir(dir, { recursive: true });
  } catch (cause) {
    throw fileError(dir, cause);
  }
  const hold = await tryHold(path);
  if (hold === undefined) throw new SlipwayError('INTERNAL', `${path} is in use`, { path });
  const { mtimeMs } = await stat(path);
  return {
    id,
    startMs: mtimeMs,
    async note(line) {
      try {
        await appendFile(notesPath, `${line}\n`);
      } catch (cause) {
        throw fileError(notesPath, cause);
      }
    },
    async release() {
      await removeLease(dir, id);
      hold.release();
    },
  };
}

/** Tells the living leases of a folder from the dead ones. */
export async function readLeases(dir: string): Promise<Leases> {
  const live: LeaseRecord[] = [];
  const dead: string[] = [];
  for (const file of await namesIn(dir)) {
    const id = LEASE_FILE.exec(file)?.[1];
    if (id === undefined) continue;
    const hold = await tryHold(join(dir, file));
    if (hold === undefined) live.push(await recordOf(dir, id));
    else {
      hold.release();
      dead.push(id);
    }
  }
  return { live, dead };
}

/** Removes the files of a lease. */
export async function removeLease(dir: string, id: string): Promise<void> {
  for (const ending of ENDINGS) {
    await unlink(join(dir, id + ending)).catch(ignoreMissing);
  }
}

async function recordOf(dir: string, id: string): Promise<LeaseRecord> {
  const [status, notes] = await Promise.all([
    stat(join(dir, `${id}.lease`)).catch(ignoreMissing),
    readFile(join(dir, `${id}.notes`), 'utf8').catch(ignoreMissing),
  ]);
  // Released this very moment: it counts as having begun long ago, which protects the most.
  const startMs = status?.mtimeMs ?? 0;
  return { id, startMs, notes: (notes ?? '').split('\n').filter((line) => line !== '') };
}

async function namesIn(dir: string): Promise<readonly string[]> {
  try {
    return await readdir(dir);
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return [];
    throw fileError(dir, cause);
  }
}

function ignoreMissing(cause: unknown): undefined {
  if (systemCode(cause) !== 'ENOENT') throw cause;
}
