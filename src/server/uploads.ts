import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  isDigestAlgorithm,
} from '../oci/digest.ts';
import type { RegistryContext } from './context.ts';
import { Refusal } from './errors.ts';
import { announcedBytes, type Exchange, header, requestBody, respond } from './exchange.ts';
import { chunkRange, heldRange } from './range.ts';
import type { Session } from './session.ts';
import { checkDigest, isServedName, type Target } from './target.ts';

/**
 * POST `/blobs/uploads/`: begins an upload (distribution-spec, "Pushing blobs"), takes a whole blob
 * with `digest`, or a blob of another repository with `mount`: of `from`, or without it of any, as
 * whoever may ask here may read all of them. A mount that can't be done becomes an upload.
 */
export async function startUpload(
  exchange: Exchange,
  { repository }: Target,
  context: RegistryContext,
): Promise<void> {
  const { query } = exchange;
  const mount = query.get('mount');
  const mounted = mount === null ? undefined : checkDigest(mount);
  if (mounted !== undefined && (await mountBlob(context, repository, query.get('from'), mounted))) {
    await respondCreated(exchange, repository, mounted);
    return;
  }
  const digestText = query.get('digest');
  const digest = digestText === null ? undefined : checkDigest(digestText);
  const told = digest ?? mounted;
  const algorithm = told === undefined ? wantedAlgorithm(query) : digestAlgorithm(told);
  if (digest === undefined) {
    const id = await context.sessions.open(repository, algorithm);
    await respondHeld(exchange, { id, repository }, 202, 0);
    return;
  }
  await takeWhole(exchange, repository, digest, context);
  await respondCreated(exchange, repository, digest);
}

/** GET `/blobs/uploads/<id>`: says how much has arrived. */
export async function getUpload(
  exchange: Exchange,
  { repository, reference }: Target,
  { sessions }: RegistryContext,
): Promise<void> {
  const sizeBytes = await sessions.heldBytes(reference, repository);
  await respondHeld(exchange, { id: reference, repository }, 204, sizeBytes);
}

/**
 * PATCH `/blobs/uploads/<id>`: appends a chunk (with `Content-Range`) or a stream. What arrived
 * before the connection was cut is kept.
 */
export async function appendUpload(
  exchange: Exchange,
  { repository, reference }: Target,
  context: RegistryContext,
): Promise<void> {
  await context.sessions.use(reference, repository, exchange.request, async (session) => {
    await append(exchange, session, context);
    await respondHeld(exchange, session, 202, session.sizeBytes);
  });
}

/** PUT `/blobs/uploads/<id>?digest=`: the last bytes, if any, and the end of the upload. */
export async function commitUpload(
  exchange: Exchange,
  { repository, reference }: Target,
  context: RegistryContext,
): Promise<void> {
  const digest = checkDigest(exchange.query.get('digest') ?? '');
  await context.sessions.use(reference, repository, exchange.request, async (session) => {
    await append(exchange, session, context);
    await commit(session, digest, context);
    await respondCreated(exchange, repository, digest);
  });
}

/** DELETE `/blobs/uploads/<id>`: gives an upload up. */
export async function cancelUpload(
  exchange: Exchange,
  { repository, reference }: Target,
  { sessions }: RegistryContext,
): Promise<void> {
  await sessions.use(reference, repository, exchange.request, (session) => session.drop());
  await respond(exchange, 204, {});
}

async function mountBlob(
  { repositories }: RegistryContext,
  repository: string,
  from: string | null,
  digest: Digest,
): Promise<boolean> {
  const isHere = await repositories.read(repository, async (layout) => {
    const size = await layout.blobSize(digest);
    // Looked at, it is used, and no garbage collection takes it.
    return size !== undefined && (await layout.exists({ mediaType: '', digest, size }));
  });
  if (isHere) return true;
  const origin = from ?? (await repositories.find(digest));
  if (origin === undefined || origin === repository || !isServedName(origin)) return false;
  const linked = await repositories.read(origin, async (source) => {
    if ((await source.blobSize(digest)) === undefined) return false;
    return await repositories.write(repository, (layout) =>
      layout.link(source, digest, { trusted: true }),
    );
  });
  return linked ?? false;
}

/** Takes a blob that comes with one request; of one that is cut nothing is kept. */
async function takeWhole(
  exchange: Exchange,
  repository: string,
  digest: Digest,
  { repositories, quota }: RegistryContext,
): Promise<void> {
  await repositories.write(repository, async (layout) => {
    const ingest = await layout.ingest({ algorithm: digestAlgorithm(digest) });
    try {
      for await (const block of requestBody(exchange)) {
        await quota.take(block.byteLength);
        await ingest.write(block);
      }
      await ingest.commit({ digest });
    } finally {
      await ingest.abort();
    }
  });
}

/** Writes the body of a request behind what the session holds. */
async function append(
  exchange: Exchange,
  session: Session,
  context: RegistryContext,
): Promise<void> {
  const { sizeBytes: heldBytes } = session;
  const wantedBytes = checkChunk(exchange, session, heldBytes);
  let arrivedBytes = 0;
  for await (const block of requestBody(exchange)) {
    arrivedBytes += block.byteLength;
    if (wantedBytes !== undefined && arrivedBytes > wantedBytes) {
      await session.drop();
      throw new Refusal('SIZE_INVALID', 'the body is longer than its Content-Range');
    }
    try {
      await context.quota.take(block.byteLength);
      await session.write(block);
    } catch (error) {
      // There is no room for what is here already.
      await session.drop();
      throw error;
    }
  }
  if (wantedBytes !== undefined && arrivedBytes < wantedBytes) {
    throw new Refusal('SIZE_INVALID', 'the body is shorter than its Content-Range');
  }
}

/** The length of the chunk that `Content-Range` announces, or undefined if there is none. */
function checkChunk(exchange: Exchange, session: Session, heldBytes: number): number | undefined {
  const text = header(exchange, 'content-range');
  if (text === undefined) return undefined;
  const range = chunkRange(text);
  if (range === undefined) {
    throw new Refusal('BLOB_UPLOAD_INVALID', 'Content-Range is not FIRST-LAST');
  }
  if (range.first !== heldBytes) {
    throw new Refusal('BLOB_UPLOAD_INVALID', `the next byte of this upload is ${heldBytes}`, {
      status: 416,
      headers: uploadHeaders(session, heldBytes),
    });
  }
  const wantedBytes = range.last - range.first + 1;
  const announced = announcedBytes(exchange.request);
  if (!Number.isNaN(announced) && announced !== wantedBytes) {
    throw new Refusal('SIZE_INVALID', 'Content-Range and Content-Length do not fit together');
  }
  return wantedBytes;
}

/** Makes the blob visible; whatever goes wrong, the session is over. */
async function commit(session: Session, digest: Digest, context: RegistryContext): Promise<void> {
  try {
    const found = await session.finish(digest);
    if (found !== digest) {
      throw new Refusal('DIGEST_INVALID', `what arrived has the digest ${found}`);
    }
    await context.repositories.write(session.repository, (layout) =>
      layout.adopt(session.file, digest),
    );
  } finally {
    await session.drop();
  }
}

function wantedAlgorithm(query: URLSearchParams): DigestAlgorithm {
  const name = query.get('digest-algorithm') ?? 'sha256';
  if (isDigestAlgorithm(name)) return name;
  throw new Refusal('DIGEST_INVALID', 'digest-algorithm is neither sha256 nor sha512');
}

type SessionName = Pick<Session, 'id' | 'repository'>;

function uploadHeaders({ id, repository }: SessionName, sizeBytes: number): Record<string, string> {
  return {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: heldRange(sizeBytes),
    'docker-upload-uuid': id,
  };
}

async function respondHeld(
  exchange: Exchange,
  session: SessionName,
  status: number,
  sizeBytes: number,
): Promise<void> {
  await respond(exchange, status, uploadHeaders(session, sizeBytes));
}

async function respondCreated(
  exchange: Exchange,
  repository: string,
  digest: Digest,
): Promise<void> {
  await respond(exchange, 201, {
    location: `/v2/${repository}/blobs/${digest}`,
    'docker-content-digest': digest,
  });
}
