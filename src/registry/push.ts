import type { Bytes } from '../bytes/stream.ts';
import type { Open, PushOptions, PushOutcome } from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { blobExists } from './blobs.ts';
import type { RepositoryContext } from './context.ts';
import { takeSession } from './remembered.ts';
import { cancel, commit, mountBlob, openSession, takenBy, type UploadSession } from './session.ts';
import { uploadBlob } from './uploads.ts';

/**
 * Makes a blob be there: looks, mounts, or uploads.
 *
 * @throws SlipwayError with side `destination` for what the registry refuses; `DIGEST_MISMATCH` and
 * `SIZE_MISMATCH` with side `source`
 */
export async function pushBlob(
  context: RepositoryContext,
  descriptor: Descriptor,
  open: Open,
  options: PushOptions = {},
): Promise<PushOutcome> {
  const { host, repository, sightings } = context;
  const account = await host.account(repository);
  const known = [...(options.mountFrom ?? []), ...(await seenIn(context, descriptor))];
  const work = async (): Promise<PushOutcome> => {
    const { signal, force = false, mountFirst = false } = options;
    const from = force ? undefined : known.find((path) => path !== repository.path);
    const mount = (): ReturnType<typeof mountBlob> | undefined =>
      from === undefined ? undefined : mountBlob(context, descriptor, from, signal);
    // What surely is in the other repository costs one request instead of two.
    let opened = mountFirst ? await mount() : undefined;
    if (opened === 'mounted') return mountedFrom(from);
    if (!force && (await blobExists(context, descriptor, options))) {
      if (opened !== undefined) await cancel(context, opened);
      return { status: 'present', bytesSent: 0 };
    }
    const left = force ? undefined : await takeSession(context, descriptor);
    if (left !== undefined) {
      if (opened !== undefined) await cancel(context, opened);
      const state = {
        at: 'ask',
        session: left,
        heldBytes: 0,
        givenBytes: descriptor.size,
      } as const;
      return await uploadBlob(context, descriptor, open, state, options);
    }
    if (!mountFirst) opened = await mount();
    if (opened === 'mounted') return mountedFrom(from);
    if (from !== undefined) sightings.forget(host.name, account, descriptor.digest, from);
    const session = opened ?? (await openSession(context, signal, descriptor));
    const state = { at: 'send', session, offset: 0 } as const;
    return await uploadBlob(context, descriptor, open, state, options);
  };
  const outcome = await host.inLane(descriptor.size, work, options.signal);
  sightings.saw(host.name, account, descriptor.digest, repository.path);
  return outcome;
}

function mountedFrom(from: string | undefined): PushOutcome {
  return { status: 'mounted', bytesSent: 0, ...(from === undefined ? {} : { from }) };
}

/** Other repositories of the host in which this account saw the blob, the latest first. */
export async function seenIn(
  { host, repository, sightings }: RepositoryContext,
  { digest }: Descriptor,
): Promise<readonly string[]> {
  const paths = sightings.of(host.name, await host.account(repository), digest);
  return paths.filter((path) => path !== repository.path);
}

/**
 * Uploads a blob while it is being made: one streaming PATCH, then the commit under the digest
 * that came out. If the connection is cut on the way, the upload goes on inside the session as soon
 * as the blob is finished; if the registry doesn't take it so, it is pushed the ordinary way.
 */
export async function pushBlobStream(
  context: RepositoryContext,
  made: Promise<Descriptor>,
  open: Open,
  options: PushOptions = {},
): Promise<PushOutcome> {
  const { host, repository, sightings } = context;
  // Whoever makes it hears of a failure; until it is awaited here it must not count as unhandled.
  made.catch(() => {});
  const stream = () => streamBlob(context, made, open, options);
  const { isThere, bytesSent, left } = await host.inLane(
    Number.POSITIVE_INFINITY,
    stream,
    options.signal,
  );
  // If it could not be made, this is where the reason comes out.
  const descriptor = await made.catch(async (error: unknown) => {
    if (left !== undefined) await cancel(context, left);
    throw error;
  });
  if (!isThere) {
    const outcome =
      left === undefined
        ? await pushBlob(context, descriptor, open, options)
        : await resume(context, descriptor, open, { session: left, bytesSent }, options);
    // Present now, because the answer to the commit was lost: it was still this that brought it.
    const status = bytesSent > 0 ? 'uploaded' : outcome.status;
    return { ...outcome, status, bytesSent: outcome.bytesSent + bytesSent };
  }
  const account = await host.account(repository);
  sightings.saw(host.name, account, descriptor.digest, repository.path);
  return { status: 'uploaded', bytesSent };
}

interface Streamed {
  readonly isThere: boolean;
  readonly bytesSent: number;
  /** where it can go on; without it, what isn't there has to be pushed the ordinary way */
  readonly left?: UploadSession;
}

/** Goes on with a blob that was cut while it was being made: all of it can be read again now. */
async function resume(
  context: RepositoryContext,
  descriptor: Descriptor,
  open: Open,
  { session, bytesSent }: { readonly session: UploadSession; readonly bytesSent: number },
  options: PushOptions,
): Promise<PushOutcome> {
  const { host, repository, sightings } = context;
  const state = { at: 'ask', session, heldBytes: 0, givenBytes: bytesSent } as const;
  const outcome = await host.inLane(
    descriptor.size,
    () => uploadBlob(context, descriptor, open, state, options),
    options.signal,
  );
  sightings.saw(host.name, await host.account(repository), descriptor.digest, repository.path);
  return outcome;
}

async function streamBlob(
  context: RepositoryContext,
  made: Promise<Descriptor>,
  open: Open,
  options: PushOptions,
): Promise<Streamed> {
  const { host, repository } = context;
  const { signal } = options;
  let session = await openSession(context, signal);
  let bytesSent = 0;
  async function* body(): Bytes {
    let total = 0;
    for await (const chunk of open(0)) {
      total += chunk.byteLength;
      bytesSent += chunk.byteLength;
      options.onProgress?.(total);
      yield chunk;
    }
  }
  try {
    const response = await host.send({
      method: 'PATCH',
      url: session.location,
      repository,
      scopes: context.push,
      headers: { 'content-type': 'application/octet-stream' },
      body,
      doing: 'stream a blob',
      retried: false,
      signal,
    });
    const taken = await takenBy(context, response, session, undefined);
    session = taken.session;
    const { heldBytes: held } = taken;
    const descriptor = await made;
    // What was sent may not have been kept; the commit would only say so less clearly.
    const isKept = held === undefined || held === descriptor.size;
    const isThere = isKept && (await commit(context, descriptor, session, undefined, signal));
    if (!isThere) await cancel(context, session);
    return { isThere, bytesSent };
  } catch (error) {
    const isCut = isSlipwayError(error) && error.facts.transient === true;
    if (isCut && signal?.aborted !== true) return { isThere: false, bytesSent, left: session };
    await cancel(context, session);
    signal?.throwIfAborted();
    if (isRefusal(error)) throw error;
    return { isThere: false, bytesSent };
  }
}

/** True for what the registry says and would say to an ordinary push too. */
function isRefusal(error: unknown): boolean {
  if (!isSlipwayError(error, 'AUTH_REQUIRED', 'DENIED', 'QUOTA_EXCEEDED', 'NO_SPACE')) return false;
  return error.facts.status !== undefined;
}
