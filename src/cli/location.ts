import { SlipwayError } from '../errors.ts';
import { isDigest } from '../oci/digest.ts';
import { formatReference, parseReference, type Reference } from '../oci/reference.ts';

/** Where an image is or goes, as a user writes it (names of containers-transports). */
export type Location =
  | { readonly transport: 'docker'; readonly reference: Reference }
  | { readonly transport: 'docker-archive'; readonly path: string; readonly name?: string }
  | { readonly transport: 'oci-archive'; readonly path: string; readonly name?: string }
  | { readonly transport: 'oci'; readonly path: string; readonly name?: string }
  /** a running engine: a name, or an id */
  | { readonly transport: 'docker-daemon'; readonly name: string }
  /** the local store, else a running engine */
  | { readonly transport: 'store'; readonly reference: Reference };

const FILE_TRANSPORTS = ['docker-archive', 'oci-archive', 'oci'] as const;

/**
 * Parses an image location: `docker://REF`, `docker-archive:FILE[:NAME]`, `oci-archive:FILE[:NAME]`,
 * `oci:DIR[:NAME]`, `docker-daemon:NAME`, or a bare name of the local store.
 *
 * @throws SlipwayError `USAGE`, `REFERENCE_INVALID`
 */
export function parseLocation(text: string): Location {
  if (text.startsWith('-') && text !== '-') throw notALocation(text);
  if (text.startsWith('docker://')) {
    return { transport: 'docker', reference: parseReference(text.slice('docker://'.length)) };
  }
  for (const transport of FILE_TRANSPORTS) {
    if (!text.startsWith(`${transport}:`)) continue;
    const rest = text.slice(transport.length + 1);
    const colon = rest.indexOf(':');
    const path = colon < 0 ? rest : rest.slice(0, colon);
    const name = colon < 0 ? '' : rest.slice(colon + 1);
    if (path === '') throw notALocation(text);
    return { transport, path, ...(name === '' ? {} : { name }) };
  }
  if (text.startsWith('docker-daemon:')) {
    const name = text.slice('docker-daemon:'.length);
    const isId = isDigest(name) || /^[0-9a-f]{64}$/.test(name);
    if (!isId) parseReference(name);
    return { transport: 'docker-daemon', name };
  }
  if (/^[a-z-]+:\/\//.test(text)) throw notALocation(text);
  return { transport: 'store', reference: parseReference(text) };
}

/** A reference that a push goes to: `HOST/PATH[:TAG]`, with or without `docker://`. */
export function parsePushReference(text: string): Reference {
  const reference = parseReference(text.startsWith('docker://') ? text.slice(9) : text);
  refuseDigest(reference);
  return reference;
}

/** Refuses a digest in the name of a destination. */
export function refuseDigest(reference: Reference): void {
  if (reference.digest === undefined) return;
  throw new SlipwayError('USAGE', `cannot push to a digest: ${formatReference(reference)}`, {
    hint: 'the digest follows from the content; name a tag',
  });
}

function notALocation(text: string): SlipwayError {
  return new SlipwayError('USAGE', `${JSON.stringify(text)} is not an image location`, {
    hint: 'write docker://HOST/PATH:TAG, docker-archive:FILE, oci-archive:FILE, oci:DIR:NAME, docker-daemon:NAME, or the name of a local image',
  });
}
