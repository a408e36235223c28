import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bytes, fromMemory } from '../bytes/stream.ts';
import { isSlipwayError, type SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import { encodeDocument } from '../oci/manifest.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import type { RepositoryContext } from './context.ts';
import { putManifest, resolveManifest } from './manifests.ts';
import { repositoryScope } from './scope.ts';
import {
  askSession,
  cancel,
  commit,
  openSession,
  type Part,
  sendPart,
  type UploadSession,
} from './session.ts';

/** Tags that are put on a manifest to see what happens to them. */
export const TAGS = ['probe-1', 'probe-2', 'probe-3'] as const;
export const PIECE_BYTES = 64 * 1024;
/** A larger chunk is not sent only to find out. */
const MAX_TRIED_CHUNK_BYTES = 8 * 1024 * 1024;
const CUT_AFTER_BYTES = 256 * 1024;

export interface Piece {
  readonly descriptor: Descriptor;
  readonly open: (offset: number) => Bytes;
  part(offset: number, end?: number): Part;
}

export interface Left {
  readonly context: RepositoryContext;
  readonly digest: string;
}

export function pieceOf(bytes: Uint8Array, mediaType: string = MEDIA_TYPE.ociLayer): Piece {
  return {
    descriptor: describe(bytes, mediaType),
    open: (offset) => fromMemory(bytes, offset),
    part: (offset, end = bytes.byteLength) => ({
      offset,
      lengthBytes: end - offset,
      open: () => fromMemory(bytes.subarray(offset, end)),
    }),
  };
}

export function manifestOf(config: Piece, layer: Piece): Piece {
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: config.descriptor,
    layers: [layer.descriptor],
  };
  return pieceOf(encodeDocument(document), MEDIA_TYPE.ociManifest);
}

/** False for what the registry refuses in any way; a registry that is gone is an error. */
export async function tried<T>(
  signal: AbortSignal | undefined,
  probe: () => Promise<T>,
): Promise<T | false> {
  try {
    return await probe();
  } catch (error) {
    signal?.throwIfAborted();
    if (isAnswer(error)) return false;
    throw error;
  }
}

function isAnswer(error: unknown): error is SlipwayError {
  return isSlipwayError(error) && (error.facts.status !== undefined || error.code !== 'NETWORK');
}

/** Sends something into a fresh session, which is ended if nothing came of it. */
export async function withSession<T>(
  context: RepositoryContext,
  signal: AbortSignal | undefined,
  send: (session: UploadSession) => Promise<T>,
): Promise<T | undefined> {
  const session = await openSession(context, signal);
  let isDone = false;
  try {
    const sent = await send(session);
    isDone = Boolean(sent);
    return sent;
  } finally {
    if (!isDone) await cancel(context, session);
  }
}

/** A blob in two chunks; undefined if the registry wants chunks that are too large to try. */
export async function sendInChunks(
  context: RepositoryContext,
  session: UploadSession,
  signal: AbortSignal | undefined,
): Promise<Piece | false | undefined> {
  const { minChunkBytes } = session;
  if (minChunkBytes > MAX_TRIED_CHUNK_BYTES) return undefined;
  const firstBytes = Math.max(PIECE_BYTES, minChunkBytes);
  const piece = pieceOf(randomBytes(firstBytes + PIECE_BYTES));
  const { descriptor, part } = piece;
  const taken = await sendPart(context, descriptor, session, part(0, firstBytes), true, signal);
  if (taken.status === 201 || (taken.heldBytes ?? firstBytes) !== firstBytes) return false;
  const isTaken = await commit(context, descriptor, taken.session, part(firstBytes), signal);
  return isTaken ? piece : false;
}

/** Cuts a connection in the middle of a body and asks what the session holds. */
export async function keepsWhatWasCut(
  context: RepositoryContext,
  signal: AbortSignal | undefined,
): Promise<boolean | undefined> {
  const session = await openSession(context, signal);
  const cut = new AbortController();
  const signals = signal === undefined ? [cut.signal] : [cut.signal, signal];
  const piece = pieceOf(randomBytes(2 * CUT_AFTER_BYTES));
  const whole = piece.part(0);
  async function* halfOf(): Bytes {
    yield* piece.part(0, CUT_AFTER_BYTES).open();
    await sleep(SETTLE_MS);
    cut.abort();
  }
  const part = { ...whole, open: halfOf };
  const sending = sendPart(
    context,
    piece.descriptor,
    session,
    part,
    true,
    AbortSignal.any(signals),
  );
  const taken = await sending.catch(() => undefined);
  signal?.throwIfAborted();
  if (taken !== undefined) return undefined;
  await sleep(SETTLE_MS);
  const answer = await askSession(context, session, { signal });
  await cancel(context, answer?.session ?? session);
  return answer !== undefined && answer.heldBytes > 0;
}

/** What was sent gets there, and a cut is noticed, within this time or isn't kept. */
const SETTLE_MS = 200;

export async function mountsAnonymously(
  context: RepositoryContext,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const query = new URLSearchParams({ mount: descriptor.digest });
  const response = await ask(context, 'POST', `blobs/uploads/?${query}`, signal);
  const location = response.header('location');
  await response.drop();
  if (response.status === 202 && location !== undefined) {
    await cancel(context, { location: new URL(location, response.url), minChunkBytes: 0 });
  }
  return response.status === 201;
}

export async function tagsAtOnce(
  context: RepositoryContext,
  { descriptor, open }: Piece,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const query = TAGS.map((tag) => `tag=${tag}`).join('&');
  await putManifest(context, descriptor, `${descriptor.digest}?${query}`, open, { signal });
  return (await isNamed(context, TAGS[1], signal)) && (await isNamed(context, TAGS[2], signal));
}

export async function isNamed(
  context: RepositoryContext,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await resolveManifest(context, tag, { signal });
    return true;
  } catch (error) {
    if (isSlipwayError(error, 'NOT_FOUND')) return false;
    throw error;
  }
}

export async function ask(
  context: RepositoryContext,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  signal: AbortSignal | undefined,
): Promise<HttpResponse> {
  return await context.host.send({
    method,
    url: `/v2/${context.repository.path}/${path}`,
    repository: context.repository,
    scopes:
      method === 'DELETE'
        ? [repositoryScope(context.repository.path, 'pull', 'push', 'delete')]
        : context.push,
    ...(method === 'POST' ? { headers: { 'content-length': '0' } } : {}),
    doing: 'find out what this registry does',
    signal,
  });
}

/** Removes what was pushed, and tells what the registry doesn't remove. */
export async function removeBlobs(
  left: readonly Left[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  let kept = 0;
  for (const { context, digest } of left) {
    const isGone = await tried(signal, async () => {
      const response = await ask(context, 'DELETE', `blobs/${digest}`, signal);
      await response.drop();
      return (response.status >= 200 && response.status < 300) || response.status === 404;
    });
    if (isGone === false) kept++;
  }
  return kept === 0 ? [] : [`${kept} small ${kept === 1 ? 'blob' : 'blobs'}`];
}
