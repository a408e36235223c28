import type { Bytes } from '../bytes/stream.ts';
import type { Open, PushOptions, PushOutcome } from '../content/transport.ts';
import { verifiedOpen } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { blobExists, lookForBlob } from './blobs.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { registryError } from './errors.ts';
import { uploadLocation } from './location.ts';
import { repositoryScope, type Scope } from './scope.ts';

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
    const scopes = [...context.push, repositoryScope(from, 'pull')];
    const answer = await post(context, `${path}?${query}`, scopes, false, signal).catch(() => {
      // A mount may be refused in any way: what is really wrong shows in the request without it.
      signal?.throwIfAborted();
      return undefined;
    });
    if (answer?.status === 202) return await sessionOf(answer, context);
    await answer?.drop();
    if (answer?.status === 201) return 'mounted';
  }
  const response = await post(context, path, context.push, true, signal);
  if (response.status >= 200 && response.status < 300) return await sessionOf(response, context);
  throw await uploadFailure(context, response, descriptor, 'open an upload');
}

async function post(
  context: RepositoryContext,
  url: string,
  scopes: readonly Scope[],
  retried: boolean,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  return await context.host.send({
    method: 'POST',
    url,
    repository: context.repository,
    scopes,
    headers: { 'content-length': '0' },
    doing: 'open an upload',
    retried,
    signal,
  });
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
    return { location: uploadLocation(location, response.url) };
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
  let next: UploadSession | undefined = first;
  let bytesSent = 0;
  let hasSourceFailed = false;
  const count = (total: number, chunk: number): void => {
    bytesSent += chunk;
    options.onProgress?.(total);
  };
  async function* body(): Bytes {
    try {
      yield* counting(verified(0), count);
    } catch (error) {
      hasSourceFailed = true;
      throw error;
    }
  }
  const upload = async (): Promise<boolean> => {
    const session = next ?? (await freshSession(context, descriptor, signal));
    next = undefined;
    try {
      if (await commit(context, descriptor, session, body, signal)) return true;
    } catch (error) {
      if (hasSourceFailed || signal?.aborted === true) await cancel(context, session);
      if (hasSourceFailed) throw isSlipwayError(error) ? error.with({ side: 'source' }) : error;
      if (!isRepeatable(error)) throw error;
      // The answer may have been lost after the commit.
      if (await blobExists(context, descriptor, options)) return true;
      throw error.with({ transient: true });
    }
    throw vanished(context, descriptor);
  };
  await context.host.repeat(upload, signal);
  return { status: 'uploaded', bytesSent };
}

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
  const isRight = told === undefined || told === descriptor.digest;
  if (response.status === 201 && isRight) return true;
  const isThere = (await lookForBlob(context, descriptor, { signal })) ?? isRight;
  if (isThere && !isRight) {
    const message = `${context.host.name} named another digest for ${descriptor.digest}; it has the right one`;
    context.emit({ type: 'warning', message });
  }
  return isThere;
}

/** Keeps every byte of the query: registries sign what stands there. */
function withDigest(location: URL, { digest }: Descriptor): URL {
  const { href } = location;
  const separator = location.search !== '' ? '&' : href.endsWith('?') ? '' : '?';
  return new URL(`${href}${separator}digest=${encodeURIComponent(digest)}`);
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
function isRepeatable(error: unknown): error is SlipwayError {
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
    `${context.host.name} took a blob and does not have it`,
    { ...whereIs(context), side: 'destination', digest, transient: true },
  );
}
