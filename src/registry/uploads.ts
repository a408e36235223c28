import { setTimeout as sleep } from 'node:timers/promises';
import { createReader } from '../bytes/reader.ts';
import type { Bytes } from '../bytes/stream.ts';
import type { Open, PushOptions, PushOutcome } from '../content/transport.ts';
import { verifiedOpen } from '../content/verify.ts';
import { isSlipwayError, type SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { blobExists } from './blobs.ts';
import { bodyBytes, chooseBody } from './body-choice.ts';
import type { RepositoryContext } from './context.ts';
import { forgetSession, keepSession, leaveSession, releaseSession } from './remembered.ts';
import {
  askSession,
  cancel,
  commit,
  openSession,
  type Part,
  sendPart,
  type UploadSession,
} from './session.ts';
import { isRepeatable, misplaced, vanished } from './upload-failures.ts';

/**
 * Where the upload of one blob stands. A failure leads to the state that can mend it; what can't
 * be mended is thrown.
 */
export type UploadState =
  /** There is no session. */
  | { readonly at: 'open' }
  /** The session holds the bytes before `offset`. */
  | { readonly at: 'send'; readonly session: UploadSession; readonly offset: number }
  /** An answer was lost, or a session left: the blob may be there, the session may hold more. */
  | {
      readonly at: 'ask';
      readonly session: UploadSession | undefined;
      /** the session was seen to hold so many bytes, and was never given more than so many */
      readonly heldBytes: number;
      readonly givenBytes: number;
    }
  | { readonly at: 'there' };

/** Uploads a blob from a state on, until it is there. */
export async function uploadBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  open: Open,
  first: UploadState,
  options: PushOptions = {},
): Promise<PushOutcome> {
  const upload = startUpload(context, descriptor, open, options);
  let state = first;
  const step = async (): Promise<void> => {
    while (state.at !== 'there') {
      const from = state;
      try {
        state = await upload.advance(from);
      } catch (error) {
        options.signal?.throwIfAborted();
        state = await upload.mend(from, error);
        throw isSlipwayError(error) ? error.with({ transient: true }) : error;
      }
    }
  };
  try {
    await context.host.repeat(step, options.signal, () => upload.acknowledgedBytes);
    await forgetSession(context, descriptor);
    return upload.outcome;
  } catch (error) {
    const { session } = { session: undefined, ...state };
    if (options.signal?.aborted === true) await leaveSession(context, descriptor, session);
    throw error;
  } finally {
    upload.close();
    await releaseSession(context, descriptor);
  }
}

interface Upload {
  readonly acknowledgedBytes: number;
  /** what it came to, once the blob is there */
  readonly outcome: PushOutcome;
  advance(state: UploadState): Promise<UploadState>;
  /** The state from which to go on after a failure; throws it if there is none. */
  mend(from: UploadState, error: unknown): Promise<UploadState>;
  close(): void;
}

/** What registries without chunks say to one. */
const REFUSE_CHUNKS: ReadonlySet<number> = new Set([400, 405, 411, 415, 501]);

const OPEN: UploadState = { at: 'open' };
const THERE: UploadState = { at: 'there' };

function startUpload(
  context: RepositoryContext,
  descriptor: Descriptor,
  open: Open,
  options: PushOptions,
): Upload {
  const { signal } = options;
  const { size } = descriptor;
  const body = chooseBody(size, context.host.traits);
  const reader = createReader(verifiedOpen(descriptor, open));
  let acknowledgedBytes = 0;
  let bytesSent = 0;
  let givenBytes = 0;
  let partBytes = 0;
  let inUseAt = 0;
  let isPieced = false;
  let hasSourceFailed = false;
  let hasCommitted = false;

  const partAt = (offset: number, lengthBytes: number): Part => ({
    offset,
    lengthBytes,
    async *open(): Bytes {
      let position = offset;
      try {
        for await (const chunk of reader.read(offset, lengthBytes)) {
          position += chunk.byteLength;
          bytesSent += chunk.byteLength;
          givenBytes = Math.max(givenBytes, position);
          options.onProgress?.(position);
          yield chunk;
        }
      } catch (error) {
        hasSourceFailed = true;
        throw error;
      }
    },
  });

  const sendFrom = async (session: UploadSession, offset: number): Promise<UploadState> => {
    await keepSession(context, descriptor, session);
    const left = size - offset;
    const lengthBytes = bodyBytes(body.choice, left, session.minChunkBytes);
    const isStream = body.choice.kind === 'stream';
    const part = partAt(offset, lengthBytes);
    givenBytes = Math.max(givenBytes, offset);
    partBytes = lengthBytes;
    isPieced ||= offset > 0;
    if (left === 0 || (lengthBytes === left && !isStream)) {
      hasCommitted = true;
      if (await commit(context, descriptor, session, part, signal)) return THERE;
      throw vanished(context, descriptor);
    }
    const taken = await sendPart(context, descriptor, session, part, !isStream, signal);
    const heldBytes = taken.heldBytes ?? offset + lengthBytes;
    const isAccepted = heldBytes > offset && heldBytes <= offset + lengthBytes;
    // ECR answers 201, and drops what follows: https://github.com/aws/containers-roadmap/issues/2831
    const isOdd = taken.status === 201 && !isStream;
    if (isOdd || !isAccepted) {
      if (isOdd) body.refusesChunks();
      else body.lost(undefined);
      await cancel(context, taken.session);
      if (isOdd) return OPEN;
      throw misplaced(context, descriptor);
    }
    acknowledge(heldBytes);
    return { at: 'send', session: taken.session, offset: heldBytes };
  };

  const acknowledge = (heldBytes: number): void => {
    if (heldBytes <= acknowledgedBytes) return;
    acknowledgedBytes = heldBytes;
    body.progressed();
  };

  /** A registry that said that it has it, and has not, isn't asked again. */
  const isThere = async (): Promise<boolean> =>
    options.force !== true && (await blobExists(context, descriptor, options));

  const ask = async (state: UploadState & { at: 'ask' }): Promise<UploadState> => {
    if (await isThere()) return THERE;
    if (state.session === undefined) return OPEN;
    const answer = await settledSession(context, state.session, signal);
    // A session is over when its blob is there: a commit that was cut may have gone on till now.
    if (answer === undefined) return (await isThere()) ? THERE : OPEN;
    const { session, heldBytes } = answer;
    givenBytes = Math.max(givenBytes, state.givenBytes);
    // Into a session that holds nothing yet, what was cut may still find its way: a body that begins
    // at 0 has no Content-Range by which a registry could tell.
    if (heldBytes === 0 || heldBytes < state.heldBytes || heldBytes > givenBytes) {
      await cancel(context, session);
      return OPEN;
    }
    if (heldBytes > state.heldBytes) context.host.traits.learn({ keepsPartialUploads: true });
    acknowledge(heldBytes);
    return { at: 'send', session, offset: heldBytes };
  };

  const mendSend = (session: UploadSession, offset: number, error: SlipwayError): UploadState => {
    const { status } = error.facts;
    const isChunk = body.choice.kind === 'chunks' && offset + partBytes < size;
    const again: UploadState = { at: 'ask', session, heldBytes: offset, givenBytes };
    const anew: UploadState = { ...again, session: undefined };
    if (status === 413 && body.tooLarge(partBytes)) return again;
    if (isChunk && status !== undefined && REFUSE_CHUNKS.has(status)) {
      body.refusesChunks();
      return anew;
    }
    if (error.code === 'DIGEST_MISMATCH' && isPieced) {
      // The bytes were right here: pieces were put together wrongly there, or by two writers.
      isPieced = false;
      if (body.choice.kind === 'chunks') body.refusesChunks();
      return anew;
    }
    if (error.code === 'NOT_A_REGISTRY' && error.facts.transient === true) return anew;
    if (!isRepeatable(error)) throw error;
    if (status === undefined) body.cut(partBytes);
    // Some that can't do chunks fall over them.
    if (status === 416 || (isChunk && status !== undefined && status >= 500)) body.lost(error);
    if (status === undefined || status === 416 || error.facts.transient === true) return again;
    if (status === 409 && offset > inUseAt) {
      // What was cut is still being put away there.
      inUseAt = offset;
      return again;
    }
    body.lost(error);
    return anew;
  };

  return {
    get acknowledgedBytes() {
      return acknowledgedBytes;
    },
    get outcome(): PushOutcome {
      const isOurs = hasCommitted || bytesSent > 0;
      return { status: isOurs ? 'uploaded' : 'present', bytesSent };
    },
    async advance(state) {
      switch (state.at) {
        case 'open': {
          const session = await openSession(context, signal, descriptor);
          givenBytes = 0;
          return { at: 'send', session, offset: 0 };
        }
        case 'send':
          return await sendFrom(state.session, state.offset);
        case 'ask':
          return await ask(state);
        case 'there':
          return state;
      }
    },
    async mend(from, error) {
      if (hasSourceFailed) {
        if (from.at === 'send') await cancel(context, from.session);
        await forgetSession(context, descriptor);
        throw isSlipwayError(error) ? error.with({ side: 'source' }) : error;
      }
      if (!isSlipwayError(error)) throw error;
      if (from.at === 'send') return mendSend(from.session, from.offset, error);
      if (error.facts.transient !== true) throw error;
      return from;
    },
    close: reader.close,
  };
}

/**
 * What a session holds when no more arrives: a registry may still be reading what was on the way
 * when the connection was cut, and answer the next part with 416.
 */
async function settledSession(
  context: RepositoryContext,
  session: UploadSession,
  signal: AbortSignal | undefined,
): Promise<Awaited<ReturnType<typeof askSession>>> {
  let askedAt = performance.now();
  let answer = await askSession(context, session, { signal });
  for (let asked = 1; answer !== undefined && asked < MAX_ASKED; asked++) {
    // Who is slow to answer is slow to put bytes away.
    const tookMs = performance.now() - askedAt;
    const waitMs = Math.min(Math.max(BETWEEN_ASKS_MS, 2 * tookMs), MAX_BETWEEN_ASKS_MS);
    await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
    askedAt = performance.now();
    const next = await askSession(context, answer.session, { signal });
    if (next === undefined || next.heldBytes === answer.heldBytes) return next;
    answer = next;
  }
  return answer;
}

const MAX_ASKED = 20;
const BETWEEN_ASKS_MS = 50;
const MAX_BETWEEN_ASKS_MS = 1_000;
