import type { Open, PushOptions, PushOutcome } from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { blobExists } from './blobs.ts';
import type { RepositoryContext } from './context.ts';
import { resolveLocation } from './host.ts';
import {
  cancel,
  commit,
  counting,
  isRepeatable,
  openSession,
  uploadBlob,
  uploadFailure,
} from './uploads.ts';

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
  const work = async (): Promise<PushOutcome> => {
    if (await blobExists(context, descriptor, options)) return { status: 'present', bytesSent: 0 };
    const candidates = [
      ...(options.mountFrom ?? []),
      ...sightings.of(host.name, account, descriptor.digest),
    ].filter((path) => path !== repository.path);
    const from = candidates[0];
    const session = await openSession(context, descriptor, from, options.signal);
    if (session === 'mounted')
      return { status: 'mounted', bytesSent: 0, ...(from ? { from } : {}) };
    if (from !== undefined) sightings.forget(host.name, account, descriptor.digest, from);
    return await uploadBlob(context, descriptor, open, session, options);
  };
  const outcome = await host.inLane(descriptor.size, work, options.signal);
  sightings.saw(host.name, account, descriptor.digest, repository.path);
  return outcome;
}

/**
 * Uploads a blob while it is being made: one streaming PATCH, then the commit under the digest
 * that came out. If the registry or the connection fails on the way, the finished blob is pushed
 * the ordinary way.
 */
export async function pushBlobStream(
  context: RepositoryContext,
  made: Promise<Descriptor>,
  open: Open,
  options: PushOptions = {},
): Promise<PushOutcome> {
  const { host, repository, sightings } = context;
  const { signal } = options;
  let bytesSent = 0;
  const stream = async (): Promise<boolean> => {
    const session = await openSession(context, undefined, undefined, signal);
    if (session === 'mounted') return false;
    const body = () =>
      counting(open(0), (total, chunk) => {
        bytesSent += chunk;
        options.onProgress?.(total);
      });
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
    if (response.status < 200 || response.status >= 300) {
      throw await uploadFailure(context, response, undefined, 'stream a blob');
    }
    const location = response.header('location');
    await response.drop();
    const next =
      location === undefined ? session : { location: resolveLocation(location, response.url) };
    const descriptor = await made.catch(async (error: unknown) => {
      await cancel(context, next);
      throw error;
    });
    return await commit(context, descriptor, next, undefined, signal);
  };
  const isStreamed = await host
    .inLane(Number.POSITIVE_INFINITY, stream, signal)
    .catch((error: unknown) => {
      signal?.throwIfAborted();
      const isRefused = isSlipwayError(error) && error.facts.side === 'destination';
      if (isRefused && !isRepeatable(error)) throw error;
      return false;
    });
  // If it could not be made, this is where the reason comes out.
  const descriptor = await made;
  if (!isStreamed) {
    const outcome = await pushBlob(context, descriptor, open, options);
    return { ...outcome, bytesSent: outcome.bytesSent + bytesSent };
  }
  const account = await host.account(repository);
  sightings.saw(host.name, account, descriptor.digest, repository.path);
  return { status: 'uploaded', bytesSent };
}
