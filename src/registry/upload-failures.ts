import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type RepositoryContext, whereIs } from './context.ts';

/** Losing a session or a connection is mended by a new session; a refusal is not. */
export function isRepeatable({ facts }: SlipwayError): boolean {
  if (facts.transient === true) return true;
  const { status, registryErrors = [] } = facts;
  const codes = registryErrors.map(({ code }) => code);
  if (codes.some((code) => code.startsWith('BLOB_UPLOAD_'))) return true;
  if (status === 416) return true;
  return status === 404 && !codes.some((code) => FINAL_CODES.has(code));
}

const FINAL_CODES: ReadonlySet<string> = new Set([
  'NAME_UNKNOWN',
  'NAME_INVALID',
  'DENIED',
  'UNAUTHORIZED',
  'UNSUPPORTED',
]);

/** The registry said that it took the blob, and has not got it. */
export function vanished(context: RepositoryContext, { digest }: Descriptor): SlipwayError {
  return new SlipwayError(
    'NOT_A_REGISTRY',
    `${context.host.name} took a blob and does not have it`,
    { ...whereIs(context), side: 'destination', digest, transient: true },
  );
}

/** The registry said that it took a part, and holds too much or too little. */
export function misplaced(context: RepositoryContext, { digest }: Descriptor): SlipwayError {
  return new SlipwayError(
    'NOT_A_REGISTRY',
    `${context.host.name} took a part of a blob and holds another amount of it`,
    { ...whereIs(context), side: 'destination', digest, transient: true },
  );
}
