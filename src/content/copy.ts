import { createLane } from '../bytes/lane.ts';
import { fromMemory } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { type Emit, type Piece, silent, type TransferStatus } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isManifestType, isNonDistributable } from '../oci/mediatype.ts';
import { type Graph, type ManifestNode, type PendingBlob, readManifest } from './graph.ts';
import { atSide, openAtSource } from './side.ts';
import { canStream, type PushOutcome, type Signalled, type Target } from './transport.ts';
import { fetching } from './verify.ts';

export interface CopyOptions extends Signalled {
  readonly emit?: Emit;
  /** repositories of the target's registry that hold the image already, best first */
  readonly mountFrom?: readonly string[];
  /** also copy layers that their owner doesn't allow to be redistributed */
  readonly nonDistributable?: boolean;
  /** false: everything but the top manifest, which the caller will put */
  readonly includeRoot?: boolean;
}

/** What a copy moved; all sizes in bytes. */
export interface CopyResult {
  readonly root: ManifestNode;
  /** the target had all of it before */
  readonly isPresent: boolean;
  readonly bytesSent: number;
  readonly bytesMounted: number;
  readonly bytesPresent: number;
}

/**
 * How many pieces are in hand at once. A registry bounds its own requests further; this bounds
 * what is open on our side.
 */
const PIECES_AT_ONCE = 16;
/** Each holds some blocks in memory while it is being compressed. */
const PENDING_AT_ONCE = 4;
/** Each is held in memory until all below it is there. */
const MANIFESTS_AT_ONCE = 8;

/**
 * Copies an image: blobs before the manifests that name them, children before parents, each
 * digest once. The bytes of manifests stay as they are.
 *
 * The first failure stops what has not begun; what is under way is cut by an abort.
 *
 * @throws SlipwayError what source and target say, with the side that failed
 */
export async function copyGraph(
  graph: Graph,
  target: Target,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const { emit = silent, includeRoot = true } = options;
  const failing = new AbortController();
  const signal = options.signal
    ? AbortSignal.any([options.signal, failing.signal])
    : failing.signal;
  const lane = createLane(PIECES_AT_ONCE);
  const pendingLane = createLane(PENDING_AT_ONCE);
  const started = new Map<string, Promise<void>>();
  const bytes: Record<TransferStatus, number> = { uploaded: 0, mounted: 0, present: 0 };
  let bytesSent = 0;

  const once = (digest: string, work: () => Promise<void>): Promise<void> => {
    let promise = started.get(digest);
    if (promise === undefined) {
      promise = work();
      started.set(digest, promise);
    }
    return promise;
  };

  const isThere = (descriptor: Descriptor): Promise<boolean> =>
    atSide('destination', () => target.exists(descriptor, { signal }));

  const read = (descriptor: Descriptor): Promise<ManifestNode> =>
    atSide('source', () => readManifest(graph.source, descriptor, { signal }));

  const transfer = async (
    descriptor: Descriptor,
    push: (onProgress: (bytes: number) => void) => Promise<PushOutcome>,
  ): Promise<void> => {
    const piece = pieceOf(descriptor, target);
    const kind = isManifestType(descriptor.mediaType) ? 'manifest' : 'blob';
    emit({ type: 'transfer.start', kind, ...piece });
    const outcome = await atSide('destination', () =>
      push((sent) => emit({ type: 'transfer.progress', bytes: sent, ...piece })),
    );
    bytes[outcome.status] += descriptor.size;
    bytesSent += outcome.bytesSent;
    emit({ type: 'transfer.done', kind, ...piece, ...outcome });
  };

  const markPresent = (descriptor: Descriptor): void => {
    bytes.present += descriptor.size;
    emit({
      type: 'transfer.done',
      kind: 'manifest',
      status: 'present',
      bytesSent: 0,
      ...pieceOf(descriptor, target),
    });
  };

  const copyBlob = (descriptor: Descriptor): Promise<void> =>
    once(descriptor.digest, () =>
      lane.run(
        () =>
          transfer(descriptor, (onProgress) =>
            target.push(descriptor, openAtSource(fetching(graph.source, descriptor, { signal })), {
              signal,
              onProgress,
              mountFrom: options.mountFrom,
            }),
          ),
        signal,
      ),
    );

  const copyPending = (pending: PendingBlob): Promise<void> =>
    pendingLane.run(async () => {
      const made = pending.make();
      if (!canStream(target)) {
        await made;
        return;
      }
      // Whoever streams waits for it too; a failure must not count as unhandled until then.
      made.catch(() => {});
      const outcome = await atSide('destination', () =>
        target.pushStream(made, openAtSource(pending.open), { signal }),
      );
      const descriptor = await made;
      await once(descriptor.digest, () => transfer(descriptor, async () => outcome));
    }, signal);

  const copyManifest = async (
    node: ManifestNode,
    depth: number,
    isRoot: boolean,
  ): Promise<void> => {
    const { descriptor } = node;
    const children = childrenOf(node.document).filter((child) => isWanted(child, options));
    const manifestLane = createLane(MANIFESTS_AT_ONCE);
    const copyChild = (child: Descriptor): Promise<void> =>
      isManifestType(child.mediaType)
        ? manifestLane.run(() => copyBelow(child, depth + 1), signal)
        : copyBlob(child);
    await all(children.map(copyChild));
    if (isRoot && !includeRoot) return;
    await transfer(descriptor, () =>
      target.push(descriptor, (offset) => fromMemory(node.bytes, offset), { signal }),
    );
  };

  const copyBelow = (descriptor: Descriptor, depth: number): Promise<void> =>
    once(descriptor.digest, async () => {
      if (depth > DOCUMENT_LIMITS.nestedIndexes) throw nestedTooDeep(descriptor);
      if (await isThere(descriptor)) return markPresent(descriptor);
      await copyManifest(await read(descriptor), depth, false);
    });

  /** Like `Promise.all`, but a failure stops the others and is thrown when they have ended. */
  const all = async (work: readonly Promise<void>[]): Promise<void> => {
    for (const promise of work) {
      promise.catch((error: unknown) => failing.abort(error));
    }
    const settled = await Promise.allSettled(work);
    const failed = settled.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failing.signal.aborted ? failing.signal.reason : failed.reason;
  };

  try {
    await all(graph.pending.map(copyPending));
    const root = await read(await atSide('source', () => graph.root()));
    const isPresent = await isThere(root.descriptor);
    if (isPresent) markPresent(root.descriptor);
    else await copyManifest(root, 0, true);
    return {
      root,
      isPresent,
      bytesSent,
      bytesMounted: bytes.mounted,
      bytesPresent: bytes.present,
    };
  } catch (error) {
    options.signal?.throwIfAborted();
    throw error;
  }
}

function isWanted(child: Descriptor, options: CopyOptions): boolean {
  return options.nonDistributable === true || !isNonDistributable(child.mediaType);
}

function pieceOf({ digest, mediaType, size }: Descriptor, target: Target): Piece {
  return { target: target.name, digest, mediaType, size };
}

function nestedTooDeep({ digest }: Descriptor): SlipwayError {
  return new SlipwayError(
    'LIMIT_EXCEEDED',
    `indexes are nested deeper than ${DOCUMENT_LIMITS.nestedIndexes} levels`,
    { digest, side: 'source' },
  );
}
