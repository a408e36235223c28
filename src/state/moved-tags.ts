import { type Digest, isDigest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Hints } from './hints.ts';

/**
 * What tags stood for before a release moved them, until the release is over. A run that was
 * killed leaves its entries: whoever moves the tag next knows then what it should go back to.
 */
export interface MovedTags {
  record(target: string, tag: string, move: TagMove): void;
  forget(target: string, tag: string): void;
  /** The move of a run that did not end. */
  unfinished(target: string, tag: string): TagMove | undefined;
}

export interface TagMove {
  /** undefined: the tag was new */
  readonly from: Digest | undefined;
  readonly to: Digest;
}

const TABLE = 'moved-tags';

/** The table in `hints`. */
export function createMovedTags(hints: Hints): MovedTags {
  const keyOf = (target: string, tag: string) => `${target}\n${tag}`;
  return {
    record: (target, tag, { from, to }) =>
      hints.set(TABLE, keyOf(target, tag), { from: from ?? null, to }),
    forget: (target, tag) => hints.delete(TABLE, keyOf(target, tag)),
    unfinished(target, tag) {
      const value = hints.get(TABLE, keyOf(target, tag));
      if (!isJsonObject(value) || !isDigest(value.to)) return undefined;
      if (value.from !== null && !isDigest(value.from)) return undefined;
      return { from: value.from ?? undefined, to: value.to };
    },
  };
}
