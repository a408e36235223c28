import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Signalled } from '../content/transport.ts';
import { systemCode } from '../errors.ts';
import { type Lease, readLeases, removeLease, takeLease } from '../state/lease.ts';
import { withLock } from '../state/lock.ts';

/** Folders below a home that this process uses: others don't remove them meanwhile. */
export interface FolderHolder {
  /** To be called before the folder is looked for, as it may be on its way out. */
  hold(folder: string): Promise<void>;
  release(): Promise<void>;
}

/** Nobody holds them for long, but removing a large clone takes its time. */
const WAIT_MS = 600_000;

const leasesIn = (home: string): string => join(home, 'dimg-leases');

/** What is held is held until it is released, or this process ends, however it ends. */
export function createFolderHolder(home: string, { signal }: Signalled): FolderHolder {
  const held = new Map<string, Promise<void>>();
  let lease: Lease | undefined;
  const hold = (name: string): Promise<void> =>
    withFolders(home, { signal }, async () => {
      lease ??= await takeLease(leasesIn(home));
      await lease.note(name);
    });
  return {
    async hold(folder) {
      const name = JSON.stringify(relative(home, folder));
      const begun = held.get(name) ?? hold(name);
      held.set(name, begun);
      await begun;
    },
    async release() {
      await Promise.allSettled(held.values());
      await lease?.release();
    },
  };
}

/** Removes what is in folders of a home, but for what somebody holds. */
export async function removeUnheld(
  home: string,
  parents: readonly string[],
  {
    tell,
    tellHeld,
    dryRun,
    signal,
  }: Signalled & {
    readonly tell: (folder: string) => void;
    readonly tellHeld: (folder: string) => void;
    readonly dryRun: boolean;
  },
): Promise<void> {
  await withFolders(home, { signal }, async () => {
    const { live, dead } = await readLeases(leasesIn(home));
    if (!dryRun) for (const id of dead) await removeLease(leasesIn(home), id);
    const held = new Set(live.flatMap(({ notes }) => notes));
    for (const parent of parents) {
      for (const name of await namesIn(join(home, parent))) {
        signal?.throwIfAborted();
        const folder = join(home, parent, name);
        if (held.has(JSON.stringify(relative(home, folder)))) {
          tellHeld(folder);
          continue;
        }
        tell(folder);
        if (!dryRun) await rm(folder, { recursive: true, force: true });
      }
    }
  });
}

async function withFolders(
  home: string,
  { signal }: Signalled,
  work: () => Promise<void>,
): Promise<void> {
  const locks = join(home, 'dimg-locks');
  await mkdir(locks, { recursive: true, mode: 0o700 });
  await withLock(join(locks, 'folders'), work, { signal, waitMs: WAIT_MS });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
