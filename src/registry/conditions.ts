import { collect } from '../bytes/stream.ts';
import type { Open, Signalled } from '../content/transport.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import type { RepositoryContext } from './context.ts';

/**
 * True if the registry refuses a PUT whose condition doesn't hold (RFC 9110, 13.1). It is asked to
 * put a manifest that is there only if it isn't: either answer leaves everything as it is.
 */
export async function refusesConditions(
  context: RepositoryContext,
  present: Descriptor,
  open: Open,
  { signal }: Signalled = {},
): Promise<boolean> {
  const bytes = await collect(open(0), DOCUMENT_LIMITS.manifestBytes, present.digest);
  const response = await context.host.send({
    method: 'PUT',
    url: `/v2/${context.repository.path}/manifests/${present.digest}`,
    repository: context.repository,
    scopes: context.push,
    headers: { 'content-type': present.mediaType, 'if-none-match': '*' },
    body: () => bytes,
    doing: 'look whether conditions are honoured',
    digest: present.digest,
    signal,
  });
  await response.drop();
  return response.status === 412;
}
