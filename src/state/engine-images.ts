import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Hints } from './hints.ts';

const TABLE = 'engine-images';

/** Remembers what an engine's image is, by the engine's own id. */
export interface EngineImageTable {
  get(id: Digest): Descriptor | undefined;
  set(id: Digest, root: Descriptor): void;
}

/** The table of what engines' images turned out to be when they were exported. */
export function createEngineImageTable(hints: Hints): EngineImageTable {
  return {
    get(id) {
      const value = hints.get(TABLE, id);
      if (!isJsonObject(value) || !isDigest(value.digest)) return undefined;
      const { mediaType, digest, size } = value;
      if (typeof mediaType !== 'string' || !Number.isSafeInteger(size)) return undefined;
      return { mediaType, digest, size: Number(size) };
    },
    set(id, { mediaType, digest, size }) {
      hints.set(TABLE, id, { mediaType, digest, size });
    },
  };
}
