import type { Bytes } from '../bytes/stream.ts';
import type { SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { bytesHeld } from '../http/range.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { lookForBlob } from './blobs.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { registryError } from './errors.ts';
import { uploadLocation } from './location.ts';
import { repositoryScope, type Scope } from './scope.ts';

/** An upload session that a registry opened: the newest Location that it named. */
export interface UploadSession {
  readonly location: URL;
  /** no chunk but the last may be smaller (`OCI-Chunk-Min-Length`) */
  readonly minChunkBytes: number;
}

/** A part of a blob that is to be sent. */
export interface Part {
  readonly offset: number;
  readonly lengthBytes: number;
  readonly open: () => Bytes;
}

/** What a registry says to a PATCH that it took. */
export interface Taken {
  readonly session: UploadSession;
  readonly status: number;
  /** bytes that it holds now; undefined if it doesn't tell */
  readonly heldBytes: number | undefined;
}

const OCTETS = { 'content-type': 'application/octet-stream' };
/** More is never held back for one request, whatever a registry asks for. */
const MAX_CHUNK_BYTES = 512 * 1024 * 1024;
const CANCEL_TIMEOUT_MS = 2_000;

/**
 * Asks for a blob to be mounted from another repository of the registry (distribution-spec,
 * "Mounting a blob from another repository").
 *
 * @returns `mounted`; the session that a registry opens instead; undefined if it does neither, or
 * is known not to mount
 */
export async function mountBlob(
  context: RepositoryContext,
  { digest }: Descriptor,
  from: string,
  signal: AbortSignal | undefined,
): Promise<UploadSession | 'mounted' | undefined> {
  const { traits } = context.host;
  if (traits.now.mounts === false) return undefined;
  const query = new URLSearchParams({ mount: digest, from });
  const scopes = [...context.push, repositoryScope(from, 'pull')];
  const answer = await post(
    context,
    `${uploadsPath(context)}?${query}`,
    scopes,
    false,
    signal,
  ).catch(() => {
    // A mount may be refused in any way: what is really wrong shows in the request without it.
    signal?.throwIfAborted();
    return undefined;
  });
  if (answer?.status === 202) return await sessionOf(answer, context);
  await answer?.drop();
  if (answer?.status === 201) return 'mounted';
  // Other refusals may be about this one repository.
  if (answer?.status === 405 || answer?.status === 501) traits.learn({ mounts: false });
  return undefined;
}

/** Opens an upload session (distribution-spec, "Pushing blobs"). */
export async function openSession(
  context: RepositoryContext,
  signal: AbortSignal | undefined,
  descriptor?: Descriptor,
): Promise<UploadSession> {
  const response = await post(context, uploadsPath(context), context.push, true, signal);
  if (response.status >= 200 && response.status < 300) return await sessionOf(response, context);
  throw await uploadFailure(context, response, descriptor, 'open an upload');
}

function uploadsPath({ repository }: RepositoryContext): string {
  return `/v2/${repository.path}/blobs/uploads/`;
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
  const minChunkBytes = minimumChunk(response);
  if (!isWebPage && location !== undefined) {
    await response.drop();
    return { location: uploadLocation(location, response.url), minChunkBytes };
  }
  if (!isWebPage && uuid !== undefined && /^[A-Za-z0-9_=.-]+$/.test(uuid)) {
    await response.drop();
    const path = `/v2/${context.repository.path}/blobs/uploads/${uuid}`;
    return { location: new URL(path, response.url), minChunkBytes };
  }
  throw await uploadFailure(context, response, undefined, 'open an upload');
}

function minimumChunk(response: HttpResponse): number {
  const text = response.header('oci-chunk-min-length') ?? '';
  return /^[0-9]{1,12}$/.test(text) ? Math.min(Number(text), MAX_CHUNK_BYTES) : 0;
}

/**
 * How many bytes a session holds (distribution-spec, "Pushing a blob in chunks"), and its newest
 * Location; undefined if the registry doesn't know the session or doesn't tell.
 */
export async function askSession(
  context: RepositoryContext,
  session: UploadSession,
  options: { readonly signal?: AbortSignal | undefined; readonly retried?: boolean } = {},
): Promise<{ readonly session: UploadSession; readonly heldBytes: number } | undefined> {
  const response = await context.host.send({
    method: 'GET',
    url: session.location,
    repository: context.repository,
    scopes: context.push,
    doing: 'ask for the state of an upload',
    ...options,
  });
  const isFound = response.status >= 200 && response.status < 300;
  const heldBytes = bytesHeld(response.header('range'));
  const next = newestLocation(response, session);
  await response.drop();
  return isFound && heldBytes !== undefined ? { session: next, heldBytes } : undefined;
}

/** Some registries leave the Location of a later answer away: then the last one still holds. */
function newestLocation(response: HttpResponse, session: UploadSession): UploadSession {
  const location = response.header('location');
  if (location === undefined) return session;
  return { ...session, location: uploadLocation(location, response.url) };
}

/**
 * Sends a part with PATCH: a chunk with its `Content-Range`, or all that there is in one stream.
 *
 * @throws SlipwayError what the registry says to it
 */
export async function sendPart(
  context: RepositoryContext,
  descriptor: Descriptor,
  session: UploadSession,
  part: Part,
  isChunk: boolean,
  signal: AbortSignal | undefined,
): Promise<Taken> {
  const response = await context.host.send({
    method: 'PATCH',
    url: session.location,
    repository: context.repository,
    scopes: context.push,
    headers: isChunk ? { ...OCTETS, 'content-range': contentRange(part) } : OCTETS,
    body: part.open,
    ...(isChunk ? { bodyBytes: part.lengthBytes } : {}),
    doing: 'push a part of a blob',
    digest: descriptor.digest,
    retried: false,
    signal,
  });
  return await takenBy(context, response, session, descriptor);
}

/** Reads the answer to a PATCH. */
export async function takenBy(
  context: RepositoryContext,
  response: HttpResponse,
  session: UploadSession,
  descriptor: Descriptor | undefined,
): Promise<Taken> {
  const { status } = response;
  if (status < 200 || status >= 300) {
    throw await uploadFailure(context, response, descriptor, 'push a part of a blob');
  }
  const next = newestLocation(response, session);
  const heldBytes = bytesHeld(response.header('range'));
  await response.drop();
  return { session: next, status, heldBytes };
}

/** In this protocol without a unit and without a total. */
function contentRange({ offset, lengthBytes }: Part): string {
  return `${offset}-${offset + lengthBytes - 1}`;
}

/**
 * Ends an upload with the committing PUT and the last part, if any is left. False if the
 * registry's answer proved empty.
 */
export async function commit(
  context: RepositoryContext,
  descriptor: Descriptor,
  session: UploadSession,
  last: Part | undefined,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const lengthBytes = last?.lengthBytes ?? 0;
  const response = await context.host.send({
    method: 'PUT',
    url: withDigest(session.location, descriptor),
    repository: context.repository,
    scopes: context.push,
    headers:
      last !== undefined && last.offset > 0 && lengthBytes > 0
        ? { ...OCTETS, 'content-range': contentRange(last) }
        : OCTETS,
    body: () => (last === undefined || lengthBytes === 0 ? new Uint8Array(0) : last.open()),
    bodyBytes: lengthBytes,
    heldBytes: descriptor.size - lengthBytes,
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
export async function cancel(
  context: RepositoryContext,
  session: UploadSession,
  signal: AbortSignal = AbortSignal.timeout(CANCEL_TIMEOUT_MS),
): Promise<void> {
  const request = context.host.send({
    method: 'DELETE',
    url: session.location,
    repository: context.repository,
    scopes: context.push,
    doing: 'cancel an upload',
    retried: false,
    signal,
  });
  await request.then((response) => response.drop()).catch(() => {});
}

/** The error for an answer that an upload can't go on from. */
async function uploadFailure(
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
