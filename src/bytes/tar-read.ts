import { type Reading, startReading } from './codec.ts';
import type { Bytes } from './stream.ts';
import {
  type TarEntry,
  type TarInput,
  type TarLimits,
  tarEntries,
  truncated,
} from './tar-entries.ts';

/** An entry of an archive that is read as a stream. */
export interface StreamedEntry extends TarEntry {
  /** Its data; once, and only until the next entry is asked for. */
  read(): Bytes;
}

/**
 * Reads an archive as a stream, entry by entry, in its own order; data that nobody reads is
 * skipped. Entries are given as they are: names, links and devices are the reader's to judge.
 *
 * @throws SlipwayError (from the iteration) `ARCHIVE_INVALID`, `SIZE_MISMATCH`, `LIMIT_EXCEEDED`
 * @example
 * for await (const entry of readTar(decompress(layer, 'gzip'), { what: 'the layer' })) …
 */
export async function* readTar(bytes: Bytes, limits: TarLimits): AsyncGenerator<StreamedEntry> {
  const reading = startReading(bytes);
  const input = inputOf(reading);
  try {
    for await (const entry of tarEntries(input, limits)) {
      yield { ...entry, read: () => dataOf(input, entry, limits.what) };
    }
  } finally {
    await reading.close();
  }
}

const DATA_BYTES = 256 * 1024;

async function* dataOf(input: TarInput, entry: TarEntry, what: string): Bytes {
  const end = entry.offset + entry.sizeBytes;
  while (input.position < end) {
    const chunk = await input.read(Math.min(DATA_BYTES, end - input.position));
    if (chunk.byteLength === 0) throw truncated(what, input.position);
    yield chunk;
  }
}

function inputOf(reading: Reading): TarInput {
  let position = 0;
  const take = async (most: number): Promise<Uint8Array | undefined> => {
    const chunk = await reading.next();
    if (chunk === undefined) return undefined;
    if (chunk.byteLength > most) reading.unread(chunk.subarray(most));
    const taken = chunk.subarray(0, most);
    position += taken.byteLength;
    return taken;
  };
  return {
    get position() {
      return position;
    },
    async read(length) {
      const parts: Uint8Array[] = [];
      let missing = length;
      while (missing > 0) {
        const part = await take(missing);
        if (part === undefined) break;
        parts.push(part);
        missing -= part.byteLength;
      }
      const only = parts.length === 1 ? parts[0] : undefined;
      if (only === undefined) return Buffer.concat(parts, length - missing);
      return Buffer.from(only.buffer, only.byteOffset, only.byteLength);
    },
    async skipTo(to) {
      while (position < to) {
        if ((await take(to - position)) === undefined) return false;
      }
      return true;
    },
  };
}
