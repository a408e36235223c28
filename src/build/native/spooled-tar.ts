import { decompress, SNIFF_BYTES, sniffCompression } from '../../bytes/inflate.ts';
import { type Spool, spool } from '../../bytes/spool.ts';
import type { Bytes } from '../../bytes/stream.ts';
import { collect, fromMemory } from '../../bytes/stream.ts';
import { readTar, type StreamedEntry } from '../../bytes/tar-read.ts';
import { SlipwayError } from '../../errors.ts';
import { type Digest, startDigest } from '../../oci/digest.ts';
import type { OpenableEntry } from './tar-tree.ts';

/** entries of one archive: more than any image has */
const MAX_ENTRIES = 2_000_000;
/** Files that say who owners are: they are small, and often asked for. */
const KEPT = /^(?:\.?\/)*etc\/(?:passwd|group)$/;
const MAX_KEPT_BYTES = 1024 * 1024;

/** What is read of an archive, and where files that it needs are kept. */
export interface TarReading {
  readonly what: string;
  /** The archive from its start, as often as needed; it may be compressed. */
  readonly open: () => Bytes;
  /** the digest of the archive without its compression, if it is known */
  readonly diffId?: Digest;
  readonly spoolDir: string;
  /** Called at the end of the build. */
  readonly onClose: (close: () => Promise<void>) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The entries of an archive. It is read through once; if the data of an entry is asked for later,
 * it is unpacked into a nameless file first.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`, `SIZE_MISMATCH`, `LIMIT_EXCEEDED`
 */
export async function* entriesOf(reading: TarReading): AsyncGenerator<OpenableEntry> {
  const { what, open, diffId, spoolDir, onClose, signal } = reading;
  let spooled: Promise<Spool> | undefined;
  const unpacked = async (): Promise<Spool> => {
    if (spooled === undefined) {
      spooled = spool(plain(open(), what), { dir: spoolDir, what, signal });
      const made = spooled;
      onClose(async () => (await made.catch(() => undefined))?.close());
    }
    return spooled;
  };
  const digester = startDigest();
  const iterator = plain(open(), what)[Symbol.asyncIterator]();
  // What follows the end marker counts for the digest too, so the reading goes on behind it.
  const whole: Bytes = {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const next = await iterator.next();
        if (!next.done && diffId !== undefined) digester.update(next.value);
        return next;
      },
    }),
  };
  try {
    for await (const entry of readTar(whole, { what, signal, maxEntries: MAX_ENTRIES })) {
      yield { ...entry, open: await opener(entry, unpacked) };
    }
    for await (const _ of whole) signal?.throwIfAborted();
    if (diffId !== undefined && digester.digest() !== diffId) {
      throw new SlipwayError('DIGEST_MISMATCH', `${what} unpacks to other bytes than its diffID`, {
        digest: diffId,
        hint: 'the image was damaged where it was made; use another one',
      });
    }
  } finally {
    await iterator.return?.();
  }
}

async function opener(entry: StreamedEntry, unpacked: () => Promise<Spool>): Promise<() => Bytes> {
  const { name, offset, sizeBytes } = entry;
  if (KEPT.test(name) && sizeBytes <= MAX_KEPT_BYTES) {
    const bytes = await collect(entry.read(), MAX_KEPT_BYTES, name);
    return () => fromMemory(bytes);
  }
  return async function* opened(): Bytes {
    yield* (await unpacked()).read({ start: offset, length: sizeBytes });
  };
}

/** Bytes without their compression, if they have one. */
export async function* plain(bytes: Bytes, what: string): Bytes {
  const { head, rest } = await headOf(bytes, SNIFF_BYTES);
  const format = sniffCompression(head);
  yield* format === 'none' ? rest : decompress(rest, format, { what });
}

/** The first bytes, and all of them. */
export async function headOf(
  bytes: Bytes,
  lengthBytes: number,
): Promise<{ readonly head: Buffer; readonly rest: Bytes }> {
  const iterator = bytes[Symbol.asyncIterator]();
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (size < lengthBytes) {
    const { done, value } = await iterator.next();
    if (done) break;
    chunks.push(value);
    size += value.byteLength;
  }
  const rest = async function* (): Bytes {
    try {
      yield* chunks;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  };
  return { head: Buffer.concat(chunks).subarray(0, lengthBytes), rest: rest() };
}
