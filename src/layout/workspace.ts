import { lstat, mkdir, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError, systemCode } from '../errors.ts';
import {
  type Lease,
  type LeaseRecord,
  readLeases,
  removeLease,
  takeLease,
} from '../state/lease.ts';
import { type LockOptions, withLock } from '../state/lock.ts';
import { unlessMissing, writeError } from './files.ts';

/**
 * The hidden folder of a layout, `.slipway`: the lock, the leases and what is being written. It is
 * made by the first write; reading a layout never makes it.
 */
export interface Workspace {
  /** the layout's folder */
  readonly dir: string;
  /** modes of new files and folders */
  readonly fileMode: number;
  readonly dirMode: number;
  /** where a new `index.json` is written */
  readonly indexDraft: string;
  /** where prune puts what it is about to remove */
  readonly trashDir: string;
  /** Does `work` while nobody else changes `index.json` or prunes. */
  locked<T>(work: () => Promise<T>, options?: LockOptions): Promise<T>;
  /** The lease of this use of the layout, taken at the first call. */
  lease(options?: LockOptions): Promise<Lease>;
  /** The lease, if it has been taken. */
  readonly ownLease: Lease | undefined;
  /** A fresh path for a blob that is being written. */
  ingestPath(lease: Lease): string;
  /** True if somebody has written here. */
  isMade(): Promise<boolean>;
  /** The live leases. The caller holds the lock. */
  leases(): Promise<readonly LeaseRecord[]>;
  /** Removes what dead processes left. The caller holds the lock. */
  sweep(): Promise<void>;
  /** Ends the lease, and removes what is still being written under it. */
  close(): Promise<void>;
}

export interface WorkspaceOptions {
  /** only the owner may read what is written */
  readonly private?: boolean | undefined;
}

/** Knows where the hidden folder of a layout is; makes nothing. */
export function createWorkspace(dir: string, options: WorkspaceOptions): Workspace {
  const hidden = join(dir, '.slipway');
  const ingestDir = join(hidden, 'ingest');
  const leasesDir = join(hidden, 'leases');
  const trashDir = join(hidden, 'trash');
  const lockPath = join(hidden, 'lock');
  const dirMode = options.private ? 0o700 : 0o755;
  let isMade: Promise<void> | undefined;
  let leasing:
    | { readonly lease: Promise<Lease>; readonly signal: AbortSignal | undefined }
    | undefined;
  let ownLease: Lease | undefined;
  let ingests = 0;

  const make = async () => {
    isMade ??= makeFolders(hidden, [ingestDir, leasesDir, trashDir], dirMode).catch((cause) => {
      isMade = undefined;
      throw writeError(dir, cause);
    });
    await isMade;
  };
  const locked = async <T>(work: () => Promise<T>, lockOptions?: LockOptions): Promise<T> => {
    await make();
    return withLock(lockPath, work, lockOptions);
  };

  const removeIngests = async (isOver: (leaseId: string) => boolean) => {
    for (const name of await readdir(ingestDir)) {
      if (isOver(name.slice(0, name.indexOf('-'))))
        await unlessMissing(unlink(join(ingestDir, name)));
    }
  };

  const sweep = async () => {
    const { live, dead } = await readLeases(leasesDir);
    const living = new Set(live.map((lease) => lease.id));
    for (const name of await readdir(ingestDir)) {
      if (!living.has(name.slice(0, name.indexOf('-')))) await unlink(join(ingestDir, name));
    }
    for (const id of dead) await removeLease(leasesDir, id);
  };
  const begin = (lockOptions?: LockOptions) =>
    locked(async () => {
      await sweep();
      ownLease = await takeLease(leasesDir);
      return ownLease;
    }, lockOptions);

  return {
    dir,
    dirMode,
    fileMode: options.private ? 0o600 : 0o644,
    indexDraft: join(hidden, 'index.json'),
    trashDir,
    locked,
    get ownLease() {
      return ownLease;
    },
    async lease(lockOptions) {
      for (;;) {
        lockOptions?.signal?.throwIfAborted();
        leasing ??= { lease: begin(lockOptions), signal: lockOptions?.signal };
        const started = leasing;
        try {
          return await started.lease;
        } catch (error) {
          if (leasing === started) leasing = undefined;
          // Somebody else's wish to stop is no reason for us to fail.
          if (!started.signal?.aborted || started.signal === lockOptions?.signal) throw error;
        }
      }
    },
    isMade: async () => (await unlessMissing(lstat(lockPath))) !== undefined,
    leases: async () => (await readLeases(leasesDir)).live,
    sweep,
    ingestPath: ({ id }) => join(ingestDir, `${id}-${++ingests}`),
    async close() {
      const lease = await leasing?.lease.catch(() => undefined);
      leasing = undefined;
      ownLease = undefined;
      if (lease === undefined) return;
      // What was being written when its user gave up.
      await removeIngests((id) => id === lease.id);
      await lease.release();
    },
  };
}

async function makeFolders(hidden: string, below: readonly string[], mode: number): Promise<void> {
  for (const folder of [hidden, ...below]) {
    await mkdir(folder, { mode }).catch((cause) => {
      if (systemCode(cause) !== 'EEXIST') throw cause;
    });
    // A layout may come from a stranger: nothing is written through a link that it brought.
    if ((await lstat(folder)).isDirectory()) continue;
    throw new SlipwayError('ARCHIVE_INVALID', `${folder} is not a folder`, {
      path: folder,
      hint: 'slipway keeps its locks there; remove what is there',
    });
  }
}
