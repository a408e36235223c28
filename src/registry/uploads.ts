import type { Bytes } from '../bytes/stream.ts';
import type { Open, PushOptions, PushOutcome } from '../content/transport.ts';
import { verifiedOpen } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { blobExists } from './blobs.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { registryError } from './errors.ts';
import { resolveLocation } from './host.ts';
import { repositoryScope } from './scope.ts';

/** An upload session that a registry opened: the newest Location that it named. */
export interface UploadSession {
  readonly location: URL;
}

/**
 * Opens an upload session (distribution-spec, "Pushing blobs"), and asks for a mount in the same
 * request where a repository that may hold the blob is known. A mount that isn't granted costs
 * nothing: the answer is a session.
 *
 * @returns the session, or `mounted`
 */
export async function openSession(
  context: RepositoryContext,
  descriptor: Descriptor | undefined,
  from: string | undefined,
  signal: AbortSignal | undefined,
): Promise<UploadSession | 'mounted'> {
  const path = `/v2/${context.repository.path}/blobs/uploads/`;
  if (descriptor !== undefined && from !== undefined) {
    const query = new URLSearchParams({ mount: descriptor.digest, from });
    const granted = await post(context, `${path}?${query}`, signal, from).catch(ignoreRefusal);
    if (granted?.status === 201) {
      await granted.drop();
      return 'mounted';
    }
    if (granted?.status === 202) return await sessionOf(granted, context);
    await granted?.drop();
  }
  const response = await post(context, path, signal);
  if (response.status >= 200 && response.status < 300) return await sessionOf(response, context);
  throw await uploadFailure(context, response, descriptor, 'open an upload');
}

async function post(
  context: RepositoryContext,
  url: string,
  signal: AbortSignal | undefined,
  from?: string,
): Promise<HttpResponse> {
  return await context.host.send({
    method: 'POST',
    url,
    repository: context.repository,
    scopes: from === undefined ? context.push : [...context.push, repositoryScope(from, 'pull')],
    headers: { 'content-length': '0' },
    doing: from === undefined ? 'open an upload' : 'mount a blob',
    signal,
  });
}

/** A mount may be refused in any way; only a connection that fails is a failure. */
function ignoreRefusal(error: unknown): undefined {
  if (isSlipwayError(error) && !isSlipwayError(error, 'NETWORK', 'TLS')) return undefined;
  throw error;
}

async function sessionOf(
  response: HttpResponse,
  context: RepositoryContext,
): Promise<UploadSession> {
  const isWebPage = /^text\/html\b/i.test(response.header('content-type') ?? '');
  const location = response.header('location');
  const uuid = response.header('docker-upload-uuid');
  if (!isWebPage && location !== undefined) {
    await response.drop();
    return { location: resolveLocation(location, response.url) };
  }
  if (!isWebPage && uuid !== undefined && /^[A-Za-z0-9_=.-]+$/.test(uuid)) {
    await response.drop();
    const path = `/v2/${context.repository.path}/blobs/uploads/${uuid}`;
    return { location: new URL(path, response.url) };
  }
  throw await uploadFailure(context, response, undefined, 'open an upload');
}

/**
 * Uploads a blob into a session; when the session or the connection is lost it asks whether the
 * blob is there, and else begins anew with a fresh session.
 */
export async function uploadBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  open: Open,
  first: UploadSession,
  options: PushOptions = {},
): Promise<PushOutcome> {
  const { signal } = options;
  const verified = verifiedOpen(descriptor, open);
  let session: UploadSession | undefined = first;
  let bytesSent = 0;
  for (let attempt = 1; ; attempt++) {
    session ??= await freshSession(context, descriptor, signal);
    const counted = () =>
      counting(verified(0), (total, chunk) => {
        bytesSent += chunk;
        options.onProgress?.(total);
      });
    try {
      const isThere = await commit(context, descriptor, session, counted, signal);
      if (isThere) return { status: 'uploaded', bytesSent };
    } catch (error) {
      if (isSlipwayError(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH') || signal?.aborted === true) {
        await cancel(context, session);
        throw isSlipwayError(error) ? error.with({ side: 'source' }) : error;
      }
      if (!isRepeatable(error) || attempt >= MAX_UPLOADS) throw error;
      // The answer may have been lost after the commit.
      if (await blobExists(context, descriptor, options)) return { status: 'uploaded', bytesSent };
    }
    if (attempt >= MAX_UPLOADS) throw vanished(context, descriptor);
    session = undefined;
  }
}

const MAX_UPLOADS = 5;

async function freshSession(
  context: RepositoryContext,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<UploadSession> {
  const session = await openSession(context, descriptor, undefined, signal);
  if (session === 'mounted') throw vanished(context, descriptor);
  return session;
}

/** Sends the whole body with the committing PUT. False if the registry's answer proved empty. */
export async function commit(
  context: RepositoryContext,
  descriptor: Descriptor,
  session: UploadSession,
  body: (() => Bytes) | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const size = body === undefined ? 0 : descriptor.size;
  const response = await context.host.send({
    method: 'PUT',
    url: withDigest(session.location, descriptor),
    repository: context.repository,
    scopes: context.push,
    headers: { 'content-type': 'application/octet-stream' },
    body: () => (size === 0 || body === undefined ? new Uint8Array(0) : body()),
    bodyBytes: size,
    headersTimeoutMs: context.idleTimeoutMs + descriptor.size / BYTES_PER_MS,
    doing: 'push a blob',
    digest: descriptor.digest,
    retried: false,
    signal,
  });
  const told = response.header('docker-content-digest');
  if (response.status < 200 || response.status >= 300) {
    throw await uploadFailure(context, response, descriptor, 'push a blob');
  }
  await response.drop();
  if (response.status === 201 && (told === undefined || told === descriptor.digest)) return true;
  return await blobExists(context, descriptor, { signal });
}

/** A registry is given a second for every 10 MB to put a blob away. */
const BYTES_PER_MS = 10_000;

/** Keeps every byte of the query: registries sign what stands there. */
function withDigest(location: URL, { digest }: Descriptor): URL {
  const separator = location.search === '' ? '?' : '&';
  return new URL(`${location.href}${separator}digest=${encodeURIComponent(digest)}`);
}

/** Tells a registry that a session won't be used any more; what it says doesn't matter. */
export async function cancel(context: RepositoryContext, session: UploadSession): Promise<void> {
  const request = context.host.send({
    method: 'DELETE',
    url: session.location,
    repository: context.repository,
    scopes: context.push,
    doing: 'cancel an upload',
    retried: false,
    signal: AbortSignal.timeout(2_000),
  });
  await request.then((response) => response.drop()).catch(() => {});
}

export async function* counting(
  bytes: Bytes,
  count: (total: number, chunk: number) => void,
): Bytes {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.byteLength;
    count(total, chunk.byteLength);
    yield chunk;
  }
}

/** Losing a session or a connection is mended by a new session; a refusal is not. */
export function isRepeatable(error: unknown): boolean {
  if (!isSlipwayError(error)) return false;
  if (error.facts.transient === true) return true;
  const { status, registryErrors = [] } = error.facts;
  if (status === 404 || status === 416) return true;
  return registryErrors.some(({ code }) => code.startsWith('BLOB_UPLOAD_'));
}

export async function uploadFailure(
  context: RepositoryContext,
  response: HttpResponse,
  descriptor: Descriptor | undefined,
  doing: string,
): Promise<SlipwayError> {
  return await registryError(response, {
    ...whereIs(context),
    side: 'destination',
    doing,
    ...(descriptor === undefined ? {} : { digest: descriptor.digest }),
  });
}

function vanished(context: RepositoryContext, { digest }: Descriptor): SlipwayError {
  return new SlipwayError(
    'NOT_A_REGISTRY',
    `${context.host.name} took a blob ${MAX_UPLOADS} times and does not have it`,
    { ...whereIs(context), side: 'destination', digest },
  );
}
