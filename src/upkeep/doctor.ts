import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import {
  formatRepository,
  isHost,
  parseRepository,
  type RepositoryName,
} from '../oci/reference.ts';
import type { Registries } from '../registry/registries.ts';

/** One thing that a registry can do or can't. */
export interface Finding {
  /** stable name, for programs */
  readonly ability: string;
  /** undefined where it could not be found out */
  readonly isAble: boolean | undefined;
  /** for people */
  readonly meaning: string;
}

/** What a registry does, as it was seen. */
export interface Diagnosis {
  readonly host: string;
  /** what kind of registry it is, as its name or its answers tell; for people */
  readonly kind: string;
  /** where it was tried: `HOST/PATH` */
  readonly repository: string;
  readonly findings: readonly Finding[];
  /** least length of a chunk that the registry asks for, in bytes; 0 if it asks for none */
  readonly minChunkBytes: number;
  /** what the registry didn't let go of afterwards, for people */
  readonly left: readonly string[];
}

const SCRATCH = 'slipway-doctor';

/**
 * The repository that a registry is examined in: the one that is named, else one of our own.
 *
 * @throws SlipwayError `REFERENCE_INVALID`
 */
export function scratchRepository(text: string): RepositoryName {
  if (text.includes('/')) return parseRepository(text);
  if (isHost(text)) return parseRepository(`${text}/${SCRATCH}`);
  throw new SlipwayError('REFERENCE_INVALID', `${JSON.stringify(text)} is not a host`, {
    hint: 'name the registry as HOST[:PORT], or a repository to try it in as HOST/PATH',
  });
}

/**
 * Tries out what a registry does, cleans up, and remembers it for later pushes.
 *
 * @throws SlipwayError `AUTH_REQUIRED`, `DENIED` … if nothing may be pushed there
 */
export async function diagnose(
  registries: Registries,
  name: RepositoryName,
  options: Signalled = {},
): Promise<Diagnosis> {
  const seen = await registries.examine(name, options);
  return {
    host: name.host,
    kind: seen.kind,
    repository: formatRepository(name),
    minChunkBytes: seen.minChunkBytes,
    left: seen.left,
    findings: [
      { ability: 'push', isAble: true, meaning: 'we may push here' },
      { ability: 'whole', isAble: seen.wholeBlobs, meaning: 'takes a blob in one PUT' },
      { ability: 'stream', isAble: seen.streams, meaning: 'takes a blob in one PATCH' },
      { ability: 'chunks', isAble: seen.chunks, meaning: 'takes a blob in chunks' },
      {
        ability: 'resume',
        isAble: seen.keepsPartialUploads,
        meaning: 'keeps what arrived of an upload that was cut',
      },
      { ability: 'mount', isAble: seen.mounts, meaning: 'mounts blobs between repositories' },
      {
        ability: 'mount-without-from',
        isAble: seen.mountsWithoutFrom,
        meaning: 'finds a blob to mount by itself',
      },
      {
        ability: 'many-tags',
        isAble: seen.setsManyTags,
        meaning: 'sets several tags in one request',
      },
      {
        ability: 'conditions',
        isAble: seen.honoursConditions,
        meaning: 'checks conditions when a tag is set',
      },
      { ability: 'referrers', isAble: seen.servesReferrers, meaning: 'lists referrers' },
      { ability: 'delete-tag', isAble: seen.deletesTags, meaning: 'deletes one tag alone' },
      {
        ability: 'delete-manifest',
        isAble: seen.deletesManifests,
        meaning: 'deletes manifests',
      },
    ],
  };
}
