import type { Bytes } from '../bytes/stream.ts';
import type { FetchOptions, Signalled } from '../content/transport.ts';
import { sizeMismatch } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { contentRangeStart } from '../http/range.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { registryError } from './errors.ts';

/**
 * True if the repository has the blob (distribution-spec, "Checking if content exists in the
 * registry"). A registry that doesn't answer HEAD counts as one that hasn't got it.
 */
export async function blobExists(
  context: RepositoryContext,
  descriptor: Descriptor,
  options: Signalled = {},
): Promise<boolean> {
  return (await lookForBlob(context, descriptor, options)) === true;
}

/** Like {@link blobExists}; undefined if the registry doesn't tell. */
export async function lookForBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  { signal }: Signalled = {},
): Promise<boolean | undefined> {
  const { traits } = context.host;
  if (traits.now.answersHead === false) return undefined;
  const askedAt = performance.now();
  const response = await context.host.send({
    method: 'HEAD',
    url: blobPath(context, descriptor),
    repository: context.repository,
    scopes: context.push,
    doing: 'look for a blob',
    digest: descriptor.digest,
    signal,
  });
  await response.drop();
  const { status } = response;
  if (status === 404 || status === 200) traits.lookedIn(performance.now() - askedAt);
  if (status === 404) return false;
  if (status === 405 || status === 501) traits.learn({ answersHead: false });
  if (status !== 200) return undefined;
  const length = response.header('content-length');
  return length === undefined || Number(length) === descriptor.size;
}

/** The bytes of a blob; a cut connection is taken up again where it broke. */
export async function* fetchBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  { offset = 0, signal }: FetchOptions = {},
): Bytes {
  let position = offset;
  let cuts = 0;
  while (position < descriptor.size || (position === 0 && cuts === 0)) {
    const response = await getBlob(context, descriptor, position, signal);
    const start = position > 0 && response.status === 206 ? position : 0;
    let skip = position - start;
    try {
      for await (const chunk of response.body) {
        const fresh = skip >= chunk.byteLength ? undefined : chunk.subarray(skip);
        skip = Math.max(0, skip - chunk.byteLength);
        if (fresh === undefined) continue;
        position += fresh.byteLength;
        if (position > descriptor.size) throw sizeMismatch(descriptor, position, 'at least');
        cuts = 0;
        yield fresh;
      }
      return;
    } catch (error) {
      const isCut = isSlipwayError(error) && error.facts.transient === true;
      if (!isCut) throw sourceError(error, context, descriptor);
      if (++cuts > MAX_CUTS) throw cutTooOften(error, context, descriptor);
    }
  }
}

/** Cuts without a byte between them. */
const MAX_CUTS = 4;

async function getBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  position: number,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  const response = await context.host.send({
    method: 'GET',
    url: blobPath(context, descriptor),
    repository: context.repository,
    scopes: context.pull,
    ...(position > 0 ? { headers: { range: `bytes=${position}-` } } : {}),
    doing: 'pull a blob',
    digest: descriptor.digest,
    signal,
  });
  const facts = { ...whereIs(context), side: 'source' as const, digest: descriptor.digest };
  if (response.status !== 200 && response.status !== 206) {
    throw await registryError(response, { ...facts, doing: 'pull a blob' });
  }
  refuseEncoding(response, context);
  if (response.status === 206 && contentRangeStart(response.header('content-range')) !== position) {
    await response.drop();
    throw new SlipwayError(
      'NOT_A_REGISTRY',
      `${facts.host} sent another part of a blob than asked`,
      facts,
    );
  }
  return response;
}

/** Content is identified by the bytes that travel; nothing is decoded on the way. */
export function refuseEncoding(response: HttpResponse, context: RepositoryContext): void {
  const encoding = response.header('content-encoding');
  if (encoding === undefined || encoding === 'identity') return;
  void response.drop();
  throw new SlipwayError(
    'NOT_A_REGISTRY',
    `${context.host.name} sends content in a coding that was not asked for`,
    { ...whereIs(context), hint: 'a proxy before the registry compresses; switch that off' },
  );
}

/** Not transient: it was repeated here, and nobody above should repeat it once more. */
function cutTooOften(
  error: SlipwayError,
  context: RepositoryContext,
  { digest }: Descriptor,
): SlipwayError {
  return new SlipwayError(error.code, `${error.message} (${MAX_CUTS + 1} times in a row)`, {
    ...error.facts,
    ...whereIs(context),
    side: 'source',
    digest,
    transient: false,
  });
}

function sourceError(error: unknown, context: RepositoryContext, { digest }: Descriptor): unknown {
  if (!(error instanceof SlipwayError)) return error;
  return error.with({ ...whereIs(context), side: 'source', digest });
}

function blobPath({ repository }: RepositoryContext, { digest }: Descriptor): string {
  return `/v2/${repository.path}/blobs/${digest}`;
}
