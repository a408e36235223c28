import type { CompressionSettings, CompressionTable } from '../content/derivations/compress.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Hints } from './hints.ts';

const TABLE = 'compressions';

/**
 * The table of what layers became when they were compressed. The library that compresses is part
 * of the key: another release of it may give other bytes.
 */
export function createCompressionTable(hints: Hints): CompressionTable {
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
  };
}

function keyOf(diffId: Digest, { format, level }: CompressionSettings): string {
  const library = format === 'zstd' ? process.versions.zstd : process.versions.zlib;
  return `${diffId} ${format} ${level ?? 'default'} ${library}`;
}
