import type { Descriptor } from '../oci/descriptor.ts';
import type { UploadKey } from '../state/upload-sessions.ts';
import { CHUNK_BYTES } from './body-choice.ts';
import type { RepositoryContext } from './context.ts';
import { askSession, cancel, type UploadSession } from './session.ts';

/** The session that an earlier run left for a blob, if it is worth going on with. */
export async function takeSession(
  context: RepositoryContext,
  descriptor: Descriptor,
): Promise<UploadSession | undefined> {
  if (!isWorthwhile(context, descriptor)) return undefined;
  const location = context.uploads.take(await keyOf(context, descriptor));
  return location === undefined ? undefined : { location, minChunkBytes: 0 };
}

/** Remembers where a session is now. False if it can't be gone on with in another run. */
export async function keepSession(
  context: RepositoryContext,
  descriptor: Descriptor,
  { location }: UploadSession,
): Promise<boolean> {
  if (!isWorthwhile(context, descriptor)) return false;
  return context.uploads.keep(await keyOf(context, descriptor), location);
}

/** The blob is there, or its bytes are no good: no run needs the session. */
export async function forgetSession(
  context: RepositoryContext,
  descriptor: Descriptor,
): Promise<void> {
  if (isWorthwhile(context, descriptor)) context.uploads.forget(await keyOf(context, descriptor));
}

/** The push has ended, well or not: a later one may take what is remembered. */
export async function releaseSession(
  context: RepositoryContext,
  descriptor: Descriptor,
): Promise<void> {
  if (isWorthwhile(context, descriptor)) context.uploads.release(await keyOf(context, descriptor));
}

/** A run that is ended keeps what a later one can go on with, and cleans up the rest. */
export async function leaveSession(
  context: RepositoryContext,
  descriptor: Descriptor,
  session: UploadSession | undefined,
): Promise<void> {
  if (session === undefined) return;
  const signal = AbortSignal.timeout(LEAVE_TIMEOUT_MS);
  if (await keepSession(context, descriptor, session)) {
    const answer = await askSession(context, session, { signal, retried: false }).catch(() => {});
    if (answer !== undefined && answer.heldBytes > 0) {
      await keepSession(context, descriptor, answer.session);
      return;
    }
    await forgetSession(context, descriptor);
  }
  await cancel(context, session, signal);
}

const LEAVE_TIMEOUT_MS = 1_500;

/** Small blobs are sent again sooner than asked for. */
function isWorthwhile({ host }: RepositoryContext, { size }: Descriptor): boolean {
  return size > CHUNK_BYTES && host.traits.now.keepsPartialUploads !== false;
}

async function keyOf(
  { host, repository }: RepositoryContext,
  { digest }: Descriptor,
): Promise<UploadKey> {
  const [origin, account] = await Promise.all([host.origin(), host.account(repository)]);
  return { origin, account, repository: repository.path, digest };
}
