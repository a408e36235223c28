import { randomBytes } from 'node:crypto';
import type { Signalled } from '../content/transport.ts';
import { encodeDocument } from '../oci/manifest.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import { blobExists } from './blobs.ts';
import { refusesConditions } from './conditions.ts';
import type { RepositoryContext } from './context.ts';
import { removeManifest } from './delete.ts';
import { manifestExists, putManifest } from './manifests.ts';
import {
  ask,
  isNamed,
  keepsWhatWasCut,
  type Left,
  manifestOf,
  mountsAnonymously,
  PIECE_BYTES,
  type Piece,
  pieceOf,
  removeBlobs,
  sendInChunks,
  TAGS,
  tagsAtOnce,
  tried,
  withSession,
} from './probes.ts';
import { pushBlob } from './push.ts';
import { cancel, commit, mountBlob, sendPart } from './session.ts';

/** What a registry was seen to do; undefined where it could not be found out. */
export interface Examination {
  /** what kind of registry it is, as its name or its answers tell; for people */
  readonly kind: string;
  readonly wholeBlobs: boolean | undefined;
  readonly streams: boolean | undefined;
  readonly chunks: boolean | undefined;
  /** least length of a chunk that it asks for, in bytes */
  readonly minChunkBytes: number;
  readonly keepsPartialUploads: boolean | undefined;
  readonly mounts: boolean | undefined;
  readonly mountsWithoutFrom: boolean | undefined;
  readonly setsManyTags: boolean | undefined;
  readonly honoursConditions: boolean | undefined;
  readonly servesReferrers: boolean | undefined;
  /** one tag goes, its siblings stay */
  readonly deletesTags: boolean | undefined;
  readonly deletesManifests: boolean | undefined;
  /** what could not be removed afterwards, for people */
  readonly left: readonly string[];
}

/**
 * Finds out what a registry does, in two repositories that it may write into and that are cleaned
 * up afterwards as far as the registry lets it. What was found is remembered for the host.
 *
 * @throws SlipwayError what the registry says if nothing may be pushed there
 */
export async function examine(
  context: RepositoryContext,
  neighbour: RepositoryContext,
  options: Signalled = {},
): Promise<Examination> {
  const { signal } = options;
  const note = { 'dev.slipway.probe': randomBytes(16).toString('hex') };
  const config = pieceOf(encodeDocument(note), MEDIA_TYPE.ociConfig);
  const layer = pieceOf(randomBytes(PIECE_BYTES));
  const other = pieceOf(randomBytes(PIECE_BYTES));
  const left: Left[] = [];
  const push = async (piece: Piece): Promise<void> => {
    await pushBlob(context, piece.descriptor, piece.open, { signal });
    left.push({ context, digest: piece.descriptor.digest });
  };
  // The first shows whether anything may be pushed at all: what it throws is the answer.
  for (const piece of [config, layer, other]) await push(piece);
  const manifest = manifestOf(config, layer);
  const { descriptor, open } = manifest;
  await putManifest(context, descriptor, TAGS[0], open, { signal });

  const body = await bodies(context, left, signal);
  const keepsPartialUploads = await tried(signal, () => keepsWhatWasCut(context, signal));
  const mounts = await tried(signal, async () => {
    const answer = await mountBlob(neighbour, layer.descriptor, context.repository.path, signal);
    if (answer !== undefined && answer !== 'mounted') await cancel(neighbour, answer);
    return answer === 'mounted' && (await blobExists(neighbour, layer.descriptor, options));
  });
  if (mounts === true) left.push({ context: neighbour, digest: layer.descriptor.digest });
  const mountsWithoutFrom = await tried(signal, () =>
    mountsAnonymously(neighbour, other.descriptor, signal),
  );
  if (mountsWithoutFrom) left.push({ context: neighbour, digest: other.descriptor.digest });
  const setsManyTags = await tried(signal, () => tagsAtOnce(context, manifest, signal));
  if (!setsManyTags) {
    for (const tag of TAGS) await putManifest(context, descriptor, tag, open, { signal });
  }
  const honoursConditions = await tried(signal, () =>
    refusesConditions(context, descriptor, open, options),
  );
  const servesReferrers = await tried(signal, async () => {
    const response = await ask(context, 'GET', `referrers/${descriptor.digest}`, signal);
    await response.drop();
    return response.status === 200;
  });
  const deletesTags = await tried(signal, async () => {
    const response = await ask(context, 'DELETE', `manifests/${TAGS[2]}`, signal);
    await response.drop();
    if (response.status < 200 || response.status >= 300) return false;
    const hasSibling = await isNamed(context, TAGS[0], signal);
    return hasSibling && !(await isNamed(context, TAGS[2], signal));
  });
  const deletesManifests = await tried(signal, async () => {
    // It may have gone together with its tag: then nothing can be seen of this.
    if (!(await manifestExists(context, descriptor, options))) return undefined;
    return await removeManifest(context, descriptor.digest, options);
  });
  const found = {
    keepsPartialUploads,
    mounts,
    mountsWithoutFrom,
    setsManyTags,
    honoursConditions,
    servesReferrers,
    deletesTags,
    deletesManifests,
  };
  const kept = await removeBlobs(left, signal);
  if (deletesManifests === false) kept.unshift('a manifest with its tags');
  context.host.traits.learn(onlyKnown({ ...found, takesChunks: body.chunks }));
  return { kind: context.host.traits.now.name, ...body, ...found, left: kept };
}

type Bodies = Pick<Examination, 'wholeBlobs' | 'streams' | 'chunks' | 'minChunkBytes'>;

/** Sends a blob in each way that there is. */
async function bodies(
  context: RepositoryContext,
  left: Left[],
  signal: AbortSignal | undefined,
): Promise<Bodies> {
  const noted = ({ descriptor }: Piece): void => {
    left.push({ context, digest: descriptor.digest });
  };
  const whole = pieceOf(randomBytes(PIECE_BYTES));
  const wholeBlobs = await tried(signal, () =>
    withSession(context, signal, (session) =>
      commit(context, whole.descriptor, session, whole.part(0), signal),
    ),
  );
  if (wholeBlobs) noted(whole);
  const stream = pieceOf(randomBytes(PIECE_BYTES));
  const streams = await tried(signal, () =>
    withSession(context, signal, async (session) => {
      const { descriptor, part } = stream;
      const taken = await sendPart(context, descriptor, session, part(0), false, signal);
      return await commit(context, descriptor, taken.session, undefined, signal);
    }),
  );
  if (streams) noted(stream);
  let minChunkBytes = 0;
  const chunked = await tried(signal, () =>
    withSession(context, signal, (session) => {
      ({ minChunkBytes } = session);
      return sendInChunks(context, session, signal);
    }),
  );
  if (chunked) noted(chunked);
  const chunks = chunked === undefined ? undefined : chunked !== false;
  return { wholeBlobs, streams, chunks, minChunkBytes };
}

function onlyKnown<T extends object>(facts: T): { [K in keyof T]?: boolean } {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: boolean;
  };
}
