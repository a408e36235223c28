import { type Digest, isDigest } from '../oci/digest.ts';
import { isRepositoryPath } from '../oci/reference.ts';
import type { Hints } from '../state/hints.ts';

/**
 * Remembers in which repositories of a registry a blob was seen, by account: what one account
 * sees is never used for another. Hints only: a wrong one costs a mount that isn't granted.
 */
export interface Sightings {
  /** Repositories that may hold the blob, the latest first. */
  of(host: string, account: string, digest: Digest): readonly string[];
  saw(host: string, account: string, digest: Digest, repository: string): void;
  forget(host: string, account: string, digest: Digest, repository: string): void;
}

const TABLE = 'blob-sightings';
/** More places than this are never tried. */
const REMEMBERED = 4;

/** Sightings that are kept in `hints`, or nowhere. */
export function createSightings(hints: Hints | undefined): Sightings {
  const keyOf = (host: string, account: string, digest: Digest) => `${host}\n${account}\n${digest}`;
  const read = (key: string): string[] => {
    const value = hints?.get(TABLE, key);
    if (!Array.isArray(value)) return [];
    return value.filter(
      (item): item is string => typeof item === 'string' && isRepositoryPath(item),
    );
  };
  return {
    of: (host, account, digest) => (isDigest(digest) ? read(keyOf(host, account, digest)) : []),
    saw(host, account, digest, repository) {
      const key = keyOf(host, account, digest);
      const known = read(key);
      if (known[0] === repository) return;
      const others = known.filter((other) => other !== repository);
      hints?.set(TABLE, key, [repository, ...others].slice(0, REMEMBERED));
    },
    forget(host, account, digest, repository) {
      const key = keyOf(host, account, digest);
      hints?.set(
        TABLE,
        key,
        read(key).filter((other) => other !== repository),
      );
    },
  };
}
