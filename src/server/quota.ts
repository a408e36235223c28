import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../errors.ts';
import { Refusal } from './errors.ts';

/** How much a registry may keep. */
export interface Quota {
  /**
   * Takes room for bytes that are about to be written.
   *
   * @throws Refusal 507 `DENIED`
   */
  take(bytes: number): Promise<void>;
}

/** A full registry looks again this often whether something was removed, by whomever. */
const RECOUNT_AFTER_MS = 1_000;

/**
 * Bounds the bytes under a folder. Other processes write and remove there too, so the sum is
 * counted anew before anything is refused.
 *
 * @param maxBytes no bound if left out
 */
export function createQuota(dir: string, maxBytes: number | undefined): Quota {
  if (maxBytes === undefined) return { take: async () => {} };
  let used = Number.POSITIVE_INFINITY;
  let countedAtMs = Number.NEGATIVE_INFINITY;
  let counting: Promise<void> | undefined;

  const recount = (): Promise<void> => {
    counting ??= countBytes(dir)
      .then((bytes) => {
        used = bytes;
        countedAtMs = performance.now();
      })
      .finally(() => {
        counting = undefined;
      });
    return counting;
  };

  return {
    async take(bytes) {
      if (used + bytes > maxBytes && performance.now() - countedAtMs > RECOUNT_AFTER_MS) {
        await recount();
      }
      if (used + bytes > maxBytes) {
        throw new Refusal(
          'DENIED',
          `the storage limit of this registry, ${maxBytes} bytes, is used up`,
          { status: 507 },
        );
      }
      used += bytes;
    },
  };
}

/** The sizes of all files below a folder; one with several names counts once. */
async function countBytes(dir: string, seen = new Set<string>()): Promise<number> {
  let total = 0;
  try {
    for await (const entry of await opendir(dir)) {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) total += await countBytes(path, seen);
      else if (entry.isFile()) {
        const { size, dev, ino, nlink } = await lstat(path);
        if (nlink > 1) {
          const inode = `${dev}:${ino}`;
          if (seen.has(inode)) continue;
          seen.add(inode);
        }
        total += size;
      }
    }
  } catch (error) {
    // Something was removed meanwhile.
    if (systemCode(error) !== 'ENOENT') throw error;
  }
  return total;
}
