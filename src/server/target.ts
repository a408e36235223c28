import { type Digest, isDigest } from '../oci/digest.ts';
import { isRepositoryPath } from '../oci/reference.ts';
import { Refusal } from './errors.ts';

/** What a request is about. Both fields are empty where the endpoint has none. */
export interface Target {
  /** a repository's path that was checked */
  readonly repository: string;
  /** a tag, a digest or an upload's id, as the client wrote it */
  readonly reference: string;
}

/** These would land among the files of a repository whose name is the part before them. */
const NAMES_IN_A_LAYOUT = ['blobs', 'index.json', 'oci-layout'];

/** True for a repository's path that can be a folder of its own. */
export function isServedName(name: string): boolean {
  return (
    isRepositoryPath(name) && !name.split('/').some((part) => NAMES_IN_A_LAYOUT.includes(part))
  );
}

/**
 * A digest that a client wrote.
 *
 * @throws Refusal `DIGEST_INVALID`
 */
export function checkDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new Refusal('DIGEST_INVALID', 'not a digest: sha256 or sha512, and lower-case hex');
}

/** What a repository that isn't there is answered with. */
export function unknownRepository(): Refusal {
  return new Refusal('NAME_UNKNOWN', 'there is no such repository');
}
