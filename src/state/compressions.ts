import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { COMPRESSORS } from '../bytes/compress.ts';
import type { CompressionSettings, CompressionTable } from '../content/derivations/compress.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import { type Hold, tryHold } from './exclusive.ts';
import type { Hints } from './hints.ts';

const TABLE = 'compressions';
const POLL_MS = 50;

/**
 * The table of what layers became when they were compressed. The library that compresses is part
 * of the key: another release of it may give other bytes.
 *
 * @param locksDir folder of the locks by which processes compress a layer once; without it each
 * does it for itself
 */
export function createCompressionTable(hints: Hints, locksDir?: string): CompressionTable {
  return {
    get(diffId, settings) {
      const value = hints.get(TABLE, keyOf(diffId, settings));
      if (!isJsonObject(value) || !isDigest(value.digest)) return undefined;
      const size = value.size;
      if (typeof size !== 'number' || !Number.isSafeInteger(size)) return undefined;
      return { digest: value.digest, size };
    },
    set(diffId, settings, { digest, size }) {
      hints.set(TABLE, keyOf(diffId, settings), { digest, size });
    },
    async alone(diffId, settings, work, signal) {
      if (locksDir === undefined) return await work();
      // A file for each layer would stay when its process is killed, so layers share 256 of them:
      // to wait for another layer now and then costs little, for each is compressed on all cores.
      const name = createHash('sha256').update(keyOf(diffId, settings)).digest('hex');
      const path = join(locksDir, `compress-${name.slice(0, 2)}`);
      const hold = await waitForHold(locksDir, path, signal);
      try {
        return await work();
      } finally {
        hold?.release();
      }
    },
  };
}

/** Waits for a lock; undefined where there can be none. */
async function waitForHold(
  dir: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Hold | undefined> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    for (;;) {
      signal?.throwIfAborted();
      const hold = await tryHold(path);
      if (hold !== undefined) return hold;
      await delay(POLL_MS, undefined, { signal }).catch(() => {});
    }
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

function keyOf(diffId: Digest, { format, level }: CompressionSettings): string {
  return `${diffId} ${format} ${level ?? 'default'} ${COMPRESSORS[format]}`;
}
