import { type Bytes, collect } from '../bytes/stream.ts';
import type { FetchOptions, Open, Signalled, TagOptions } from '../content/transport.ts';
import { verifiedOpen } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import { digestAlgorithm, digestOf, isDigest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { parseManifest } from '../oci/manifest.ts';
import { isManifestType, MANIFEST_MEDIA_TYPES } from '../oci/mediatype.ts';
import { refuseEncoding } from './blobs.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { registryError } from './errors.ts';

/**
 * Finds what a tag or digest names (distribution-spec, "Pulling manifests"): by HEAD where its
 * headers say everything, else by GET.
 *
 * @throws SlipwayError `NOT_FOUND`, `DENIED`, `AUTH_REQUIRED`, `NOT_A_REGISTRY` …
 */
export async function resolveManifest(
  context: RepositoryContext,
  reference: string,
  { signal }: Signalled = {},
): Promise<Descriptor> {
  const head = await request(context, 'HEAD', reference, ALL_TYPES, signal);
  await head.drop();
  if (head.status === 404) throw await notFound(context, head, reference);
  const described = head.status === 200 ? describedByHeaders(head, reference) : undefined;
  if (described !== undefined) return described;
  const response = await request(context, 'GET', reference, ALL_TYPES, signal);
  if (response.status === 404) throw await notFound(context, response, reference);
  if (response.status !== 200) throw await failure(context, response, reference);
  refuseEncoding(response, context);
  const type = contentType(response);
  if (type !== undefined && !isManifestType(type)) {
    throw await failure(context, response, reference);
  }
  const bytes = await response.read(DOCUMENT_LIMITS.manifestBytes);
  const { mediaType } = parseManifest(bytes, type);
  if (!isDigest(reference)) return describe(bytes, mediaType);
  const found = digestOf(bytes, digestAlgorithm(reference));
  if (found === reference) return { mediaType, digest: reference, size: bytes.byteLength };
  throw new SlipwayError('DIGEST_MISMATCH', `${context.host.name} sent ${found} for ${reference}`, {
    ...whereIs(context),
    digest: reference,
  });
}

function describedByHeaders(response: HttpResponse, reference: string): Descriptor | undefined {
  const mediaType = contentType(response);
  const told = response.header('docker-content-digest');
  const digest = isDigest(reference) ? reference : told;
  const size = Number(response.header('content-length'));
  if (mediaType === undefined || !isManifestType(mediaType)) return undefined;
  if (!isDigest(digest) || (told !== undefined && told !== digest)) return undefined;
  return Number.isSafeInteger(size) && size > 0 ? { mediaType, digest, size } : undefined;
}

/** True if the registry has the manifest; it took it only with everything below it. */
export async function manifestExists(
  context: RepositoryContext,
  descriptor: Descriptor,
  { signal }: Signalled = {},
): Promise<boolean> {
  const response = await request(context, 'HEAD', descriptor.digest, descriptor.mediaType, signal);
  await response.drop();
  if (response.status !== 200) return false;
  const told = response.header('docker-content-digest');
  return told === undefined || told === descriptor.digest;
}

/** The bytes of a manifest, by digest. */
export async function* fetchManifest(
  context: RepositoryContext,
  descriptor: Descriptor,
  { offset = 0, signal }: FetchOptions = {},
): Bytes {
  const { digest, mediaType } = descriptor;
  const response = await request(context, 'GET', digest, mediaType, signal);
  if (response.status === 404) throw await notFound(context, response, digest);
  if (response.status !== 200) throw await failure(context, response, digest);
  refuseEncoding(response, context);
  const bytes = await response.read(DOCUMENT_LIMITS.manifestBytes);
  yield bytes.subarray(offset);
}

/** What a registry says that it noted of a manifest, beside taking it. */
export interface Noted {
  /** `OCI-Subject` */
  readonly subject: string | undefined;
  /** `OCI-Tag`: the tags of `?tag=` that it set */
  readonly tags: readonly string[];
}

/**
 * Puts a manifest under a tag or its digest (distribution-spec, "Pushing manifests"). The registry
 * may state the digest that it stored: if it is another one, the manifest is read back.
 *
 * @param reference a tag, a digest, or a digest and `?tag=` for each of several tags
 */
export async function putManifest(
  context: RepositoryContext,
  descriptor: Descriptor,
  reference: string,
  open: Open,
  { signal, expected }: TagOptions = {},
): Promise<Noted> {
  const bytes = await collect(
    verifiedOpen(descriptor, open)(0),
    DOCUMENT_LIMITS.manifestBytes,
    `the manifest ${descriptor.digest}`,
  );
  const put = async (): Promise<HttpResponse> => {
    const response = await context.host.send({
      method: 'PUT',
      url: manifestPath(context, reference),
      repository: context.repository,
      scopes: context.push,
      headers: { 'content-type': descriptor.mediaType, ...conditionHeaders(expected) },
      body: () => bytes,
      doing: 'push a manifest',
      digest: descriptor.digest,
      retried: false,
      signal,
    });
    const isGood = response.status >= 200 && response.status < 300;
    const told = response.header('docker-content-digest');
    if (isGood && (response.status !== 201 || (told !== undefined && told !== descriptor.digest))) {
      await response.drop();
      await readBack(context, descriptor, reference, signal);
    }
    return response;
  };
  const response = await context.host.inLane(0, () => context.host.repeat(put, signal), signal);
  if (response.status < 200 || response.status >= 300) {
    const error = await failure(context, response, reference, 'push a manifest');
    if (await isNamedAlready(context, descriptor, reference, error, signal))
      return { subject: undefined, tags: [] };
    throw error.with({ side: 'destination', digest: descriptor.digest });
  }
  await response.drop();
  const tags = response.headers('oci-tag').flatMap((value) => value.split(','));
  return { subject: response.header('oci-subject'), tags: tags.map((tag) => tag.trim()) };
}

/** RFC 9110, 13.1; the entity tag of a manifest is its digest. Many registries don't look. */
function conditionHeaders(expected: TagOptions['expected']): Record<string, string> {
  if (expected === undefined) return {};
  return expected === 'absent' ? { 'if-none-match': '*' } : { 'if-match': `"${expected}"` };
}

/**
 * An immutable tag is refused to whoever repeats a PUT whose answer was lost, and to whoever
 * publishes the same image twice. Both have what they want.
 */
async function isNamedAlready(
  context: RepositoryContext,
  { digest }: Descriptor,
  reference: string,
  error: SlipwayError,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!isSlipwayError(error, 'TAG_IMMUTABLE', 'CONDITION_FAILED')) return false;
  const current = await resolveManifest(context, reference, { signal }).catch(() => undefined);
  return current?.digest === digest;
}

/** The answer was odd: only what the registry gives back decides. */
async function readBack(
  context: RepositoryContext,
  descriptor: Descriptor,
  reference: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const response = await request(context, 'GET', reference, descriptor.mediaType, signal);
  if (response.status !== 200) {
    const error = await failure(context, response, reference);
    // It was taken and isn't there: put once more it may be.
    throw response.status === 404 ? error.with({ transient: true }) : error;
  }
  const bytes = await response.read(DOCUMENT_LIMITS.manifestBytes);
  const found = digestOf(bytes, digestAlgorithm(descriptor.digest));
  if (found !== descriptor.digest) {
    throw new SlipwayError(
      'DIGEST_MISMATCH',
      `${context.host.name} was sent ${descriptor.digest} and holds ${found}`,
      { ...whereIs(context), side: 'destination', digest: descriptor.digest },
    );
  }
  context.emit({
    type: 'warning',
    message: `${context.host.name} answered oddly to ${reference}; it holds the right bytes`,
  });
}

const ALL_TYPES = MANIFEST_MEDIA_TYPES.join(', ');

async function request(
  context: RepositoryContext,
  method: 'GET' | 'HEAD',
  reference: string,
  accept: string,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  return await context.host.send({
    method,
    url: manifestPath(context, reference),
    repository: context.repository,
    scopes: context.pull,
    headers: { accept },
    ...(method === 'HEAD' ? {} : { answerBytes: DOCUMENT_LIMITS.manifestBytes }),
    doing: method === 'HEAD' ? 'look for a manifest' : 'pull a manifest',
    signal,
  });
}

function contentType(response: HttpResponse): string | undefined {
  return response.header('content-type')?.split(';')[0]?.trim();
}

async function notFound(
  context: RepositoryContext,
  response: HttpResponse,
  reference: string,
): Promise<SlipwayError> {
  const error = await failure(context, response, reference);
  if (error.code !== 'NOT_FOUND') return error;
  const separator = isDigest(reference) ? '@' : ':';
  const { host, repository } = whereIs(context);
  return new SlipwayError(
    'NOT_FOUND',
    `${host}/${repository}${separator}${reference} is not there`,
    {
      ...error.facts,
      hint: `slipway ls ${host}/${repository} shows the tags that are`,
    },
  );
}

async function failure(
  context: RepositoryContext,
  response: HttpResponse,
  reference: string,
  doing = 'pull a manifest',
): Promise<SlipwayError> {
  return await registryError(response, { ...whereIs(context), reference, doing });
}

function manifestPath({ repository }: RepositoryContext, reference: string): string {
  return `/v2/${repository.path}/manifests/${reference}`;
}
