import type { Blockable } from '../../bytes/blocks.ts';
import { type CompressOptions, compress } from '../../bytes/compress.ts';
import { decompress } from '../../bytes/inflate.ts';
import type { Bytes } from '../../bytes/stream.ts';
import { SlipwayError } from '../../errors.ts';
import { type Emit, silent } from '../../events.ts';
import { type Descriptor, sameContent } from '../../oci/descriptor.ts';
import { type Digest, digestAlgorithm, startDigest } from '../../oci/digest.ts';
import { compressionOf, withCompression } from '../../oci/mediatype.ts';
import type { ArrivedLayer, Arriving } from '../arriving.ts';
import type { PendingBlob } from '../graph.ts';
import type { Ingest, IngestTarget } from '../ingest.ts';
import { openAtSource } from '../side.ts';
import type { Fetcher, Signalled } from '../transport.ts';
import { fetching, verifiedBytes, verifiedOpen } from '../verify.ts';

/** What decides the bytes of a compressed layer. */
export interface CompressionSettings extends CompressOptions {
  readonly format: 'gzip' | 'zstd';
}

/** Remembers what a layer became, between runs: by diffID and settings. */
export interface CompressionTable {
  get(diffId: Digest, settings: CompressionSettings): { digest: Digest; size: number } | undefined;
  set(
    diffId: Digest,
    settings: CompressionSettings,
    made: { readonly digest: Digest; readonly size: number },
  ): void;
  /** Does work while no other process that shares the table does it for the same layer. */
  alone?<T>(
    diffId: Digest,
    settings: CompressionSettings,
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>;
}

/** What a layer is compressed with. */
export interface LayerOptions extends Signalled {
  readonly settings: CompressionSettings;
  /** where compressed layers are written and read again */
  readonly store: IngestTarget &
    Fetcher & { blobSize(digest: Digest): Promise<number | undefined> };
  readonly table?: CompressionTable;
  readonly emit?: Emit;
}

/** A layer that becomes a compressed one. */
export interface CompressedLayer extends PendingBlob {
  /** the blob that its source has */
  readonly source: Descriptor;
  /** What it is or was when it is made; starts to make it only if nobody knows. */
  described(): Promise<Descriptor>;
  /** the same, if it is known by now */
  known(): Descriptor | undefined;
}

/** Where the bytes of a layer are: raw, or compressed in another way. */
export type LayerOrigin = Fetcher | Arriving | PackedLayer;

/** A layer that is compressed already. */
export interface PackedLayer {
  readonly source: Fetcher;
  readonly packed: Descriptor;
}

/** What gzip can reach at most: more is nothing but a bomb. */
const MOST_RATIO = 1100;

/** What the table says, unless nothing compressed can be like that. */
export function recall(
  table: CompressionTable | undefined,
  { digest }: Descriptor,
  settings: CompressionSettings,
): { readonly digest: Digest; readonly size: number } | undefined {
  const found = table?.get(digest, settings);
  return found === undefined || found.size <= 0 ? undefined : found;
}

/**
 * A layer as it will be when it is compressed: known at once if the table knows it, else made once.
 *
 * @throws SlipwayError `UNSUPPORTED` for a type without such a form
 */
export function compressedLayer(
  announced: Descriptor,
  origin: LayerOrigin,
  options: LayerOptions,
): CompressedLayer {
  const { settings, store, table, signal, emit = silent } = options;
  const arriving = 'turn' in origin ? origin : undefined;
  const mediaType = withCompression(announced.mediaType, settings.format);
  const { digest: diffId } = announced;
  if (mediaType === undefined) {
    throw new SlipwayError(
      'UNSUPPORTED',
      `${announced.mediaType} has no form with ${settings.format}`,
      { digest: diffId },
    );
  }
  const remembered = recall(table, announced, settings);
  let known: Descriptor | undefined = remembered && { mediaType, ...remembered };
  let turn: Promise<ArrivedLayer> | undefined;
  let making: Promise<Descriptor> | undefined;
  /** told when it is being written, or lies in the store already */
  const started = Promise.withResolvers<Ingest | Descriptor>();
  started.promise.catch(() => {});
  const digested = Promise.withResolvers<Descriptor>();
  digested.promise.catch(() => {});

  const waitForTurn = (from: Arriving): Promise<ArrivedLayer> => {
    turn ??= from.turn(diffId);
    return turn;
  };

  const told = ({ digest, size }: Descriptor, bytes: Bytes): Bytes =>
    counted(bytes, (count) => emit({ type: 'compress.progress', digest, size, bytes: count }));

  const rawBytes = async (): Promise<{ readonly from: Descriptor; readonly raw: Blockable }> => {
    if ('fetch' in origin) {
      return {
        from: announced,
        raw: (into) => {
          const read = verifiedOpen(announced, fetching(origin, announced, { signal, into }));
          return told(announced, openAtSource(read)(0));
        },
      };
    }
    if ('packed' in origin) {
      const read = verifiedOpen(origin.packed, fetching(origin.source, origin.packed, { signal }));
      return {
        from: announced,
        raw: unpacked(origin.packed, told(announced, openAtSource(read)(0)), diffId),
      };
    }
    const { size, bytes } = await waitForTurn(origin);
    const from = { ...announced, size };
    return { from, raw: told(from, openAtSource(() => verifiedBytes(from, bytes))(0)) };
  };

  const compressed = async (): Promise<Descriptor> => {
    const { from, raw } = await rawBytes();
    const ingest = await store.ingest({ signal });
    started.resolve(ingest);
    const { digest, size } = from;
    try {
      for await (const chunk of compress(raw, settings.format, settings)) {
        await ingest.write(chunk);
      }
      const made = ingest.end();
      digested.resolve({ mediaType, ...made });
      await ingest.commit();
      table?.set(digest, settings, made);
      if (
        remembered !== undefined &&
        !sameContent({ mediaType, ...remembered }, { mediaType, ...made })
      ) {
        throw misremembered(from, remembered.digest, made.digest);
      }
      emit({
        type: 'compress.done',
        digest,
        size,
        compressedDigest: made.digest,
        compressedSize: made.size,
        remembered: false,
      });
      return { mediaType, ...made };
    } catch (error) {
      await ingest.abort();
      throw error;
    }
  };

  /** What another process made since this one looked. */
  const madeElsewhere = async (): Promise<Descriptor | undefined> => {
    const found = recall(table, announced, settings);
    if (found === undefined || (await store.blobSize(found.digest)) !== found.size)
      return undefined;
    if (arriving !== undefined) await leave((await waitForTurn(arriving)).bytes);
    emit({
      type: 'compress.done',
      digest: diffId,
      size: announced.size,
      compressedDigest: found.digest,
      compressedSize: found.size,
      remembered: true,
    });
    return { mediaType, ...found };
  };

  const make = async (): Promise<Descriptor> => {
    // Nobody is kept waiting while it is not even here.
    if (arriving !== undefined) await waitForTurn(arriving);
    const work = async () => (await madeElsewhere()) ?? (await compressed());
    try {
      known = await (table?.alone === undefined
        ? work()
        : table.alone(diffId, settings, work, signal));
      started.resolve(known);
      digested.resolve(known);
      return known;
    } catch (error) {
      started.reject(error);
      digested.reject(error);
      // What comes after it would wait until it is read.
      turn?.then(({ bytes }) => leave(bytes)).catch(() => {});
      throw error;
    }
  };

  const layer: CompressedLayer = {
    from: announced,
    source: 'packed' in origin ? origin.packed : announced,
    mediaType,
    make() {
      making ??= make();
      return making;
    },
    ...(arriving === undefined ? {} : { ready: async () => void (await waitForTurn(arriving)) }),
    digested: () => digested.promise,
    known: () => known,
    described: async () => known ?? (await layer.make()),
    open: async function* opened(offset, into) {
      if (remembered !== undefined) {
        // What was remembered must be right before anybody gets a byte of it.
        const isThere = (await store.blobSize(remembered.digest)) === remembered.size;
        const made = isThere ? { mediaType, ...remembered } : await layer.make();
        yield* store.fetch(made, { offset, signal, into });
        return;
      }
      const made = layer.make();
      // A reader may leave before it ends.
      made.catch(() => {});
      const begun = await started.promise;
      if ('digest' in begun) {
        yield* store.fetch(begun, { offset, signal, into });
        return;
      }
      try {
        yield* begun.open(offset, into);
      } catch (error) {
        // Why it could not be made says more than that it was given up.
        await made;
        throw error;
      }
    },
  };
  return layer;
}

/** What is in a compressed layer, checked against its diffID at the end. */
async function* unpacked(packed: Descriptor, bytes: Bytes, diffId: Digest): Bytes {
  const format = compressionOf(packed.mediaType);
  const digester = startDigest(digestAlgorithm(diffId));
  const raw =
    format === 'none' || format === undefined
      ? bytes
      : decompress(bytes, format, { what: packed.digest, maxRatio: MOST_RATIO });
  for await (const chunk of raw) {
    digester.update(chunk);
    yield chunk;
  }
  const found = digester.digest();
  if (found === diffId) return;
  throw new SlipwayError(
    'DIGEST_MISMATCH',
    `${packed.digest} unpacks to ${found}, and its image's config says ${diffId}`,
    { digest: packed.digest, side: 'source' },
  );
}

/** The table is right now, but what stands above this layer was made with the wrong entry. */
function misremembered(from: Descriptor, wrong: string, right: string): SlipwayError {
  return new SlipwayError(
    'DIGEST_MISMATCH',
    `${from.digest} was remembered to become ${wrong} when compressed, and became ${right}`,
    { digest: from.digest, hint: 'what is remembered is right now: run the same command again' },
  );
}

/** Lets go of bytes that are not needed. */
async function leave(bytes: Bytes): Promise<void> {
  for await (const _ of bytes) return;
}

async function* counted(bytes: Bytes, count: (bytes: number) => void): Bytes {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.byteLength;
    count(total);
    yield chunk;
  }
}
