import type { Bytes, Room } from '../bytes/stream.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Fetcher, Open, Signalled } from './transport.ts';

/**
 * Reads each blob of a source once for several readers, the hosts of one run.
 *
 * What was read is kept until every expected reader has passed it, at most 4 MiB of each blob. A
 * reader that is ahead waits for the slowest one, but for one second in all of each blob: then
 * whoever is behind is left, and reads the source on its own from where it stands. So does a
 * reader that comes back to bytes that are gone, as a repeated upload does.
 */
export interface SharedReads {
  /** An `open` for one reader of one blob. */
  opener(descriptor: Descriptor, reader: string, options?: OpenerOptions): Open;
  /** Says which blobs a reader will read; until then it is expected at all of them. */
  announce(reader: string, digests: ReadonlySet<Digest>): void;
  /** A reader has what it needs of a blob, or will never read it. */
  release(reader: string, digest: Digest): void;
  /** bytes that were read from the source so far */
  readonly bytesRead: number;
}

export interface OpenerOptions extends Signalled {
  /** makes the memory that an opening may be read into, unless others read the blob too */
  readonly roomOf?: (() => Room) | undefined;
}

export interface SharedReadsLimits extends Signalled {
  /** kept of one blob */
  readonly windowBytes?: number;
  /** kept of all blobs that nobody is reading at the moment */
  readonly idleBytes?: number;
  /** how long those that are ahead wait, in all, at one blob */
  readonly patienceMs?: number;
}

interface Chunk {
  readonly start: number;
  readonly bytes: Uint8Array;
}

interface Reader {
  readonly name: string;
  position: number;
  isLeft: boolean;
}

/** One blob that is being read. */
interface Reading {
  readonly chunks: Chunk[];
  readonly iterator: AsyncIterator<Uint8Array>;
  readonly readers: Set<Reader>;
  /** expected, and not seen yet */
  readonly awaited: Set<string>;
  end: number;
  isDone: boolean;
  isBroken: boolean;
  advancing: Promise<void> | undefined;
  patienceMs: number;
  /** wakes those that wait for room */
  wake: (() => void)[];
}

const WINDOW_BYTES = 4 * 1024 * 1024;
const IDLE_BYTES = 32 * 1024 * 1024;
const PATIENCE_MS = 1_000;

/** Shares the reads of `source` among `readers`. */
export function createSharedReads(
  source: Fetcher,
  readers: ReadonlySet<string>,
  limits: SharedReadsLimits = {},
): SharedReads {
  const { windowBytes = WINDOW_BYTES, idleBytes = IDLE_BYTES } = limits;
  const { patienceMs = PATIENCE_MS } = limits;
  const readings = new Map<Digest, Reading>();
  const announced = new Map<string, ReadonlySet<Digest>>();
  /** readers that have had their turn at a blob */
  const released = new Map<Digest, Set<string>>();
  let bytesRead = 0;

  async function* counted(bytes: Bytes): Bytes {
    for await (const chunk of bytes) {
      bytesRead += chunk.byteLength;
      yield chunk;
    }
  }

  const isExpected = (reader: string, digest: Digest): boolean =>
    released.get(digest)?.has(reader) !== true && announced.get(reader)?.has(digest) !== false;

  const startReading = (descriptor: Descriptor): Reading => {
    // The signal is that of the run: no one reader may end it for the others.
    const bytes = counted(source.fetch(descriptor, { signal: limits.signal }));
    return {
      chunks: [],
      iterator: bytes[Symbol.asyncIterator](),
      readers: new Set(),
      awaited: new Set([...readers].filter((name) => isExpected(name, descriptor.digest))),
      end: 0,
      isDone: false,
      isBroken: false,
      advancing: undefined,
      patienceMs,
      wake: [],
    };
  };

  const baseOf = ({ chunks, end }: Reading): number => chunks[0]?.start ?? end;

  const wakeAll = (reading: Reading): void => {
    for (const wake of reading.wake.splice(0)) wake();
  };

  const slowest = (reading: Reading): number => {
    let position = reading.awaited.size > 0 ? 0 : reading.end;
    for (const reader of reading.readers) position = Math.min(position, reader.position);
    return position;
  };

  /** Drops what everybody has passed, and the reading when nobody is left. */
  const settle = (digest: Digest, reading: Reading): void => {
    const passed = slowest(reading);
    while (
      reading.chunks[0] &&
      reading.chunks[0].start + reading.chunks[0].bytes.byteLength <= passed
    ) {
      reading.chunks.shift();
    }
    wakeAll(reading);
    if (reading.readers.size === 0 && reading.awaited.size === 0) close(digest, reading);
    else if (reading.readers.size === 0) forgetIdle();
  };

  const close = (digest: Digest, reading: Reading): void => {
    if (readings.get(digest) === reading) readings.delete(digest);
    reading.chunks.length = 0;
    if (!reading.isDone) void reading.iterator.return?.(undefined)?.catch(() => {});
    reading.isDone = true;
  };

  /** What waits for readers that don't come may not grow with the number of blobs. */
  const forgetIdle = (): void => {
    const idle = [...readings].filter(([, { readers: active }]) => active.size === 0);
    let held = idle.reduce((sum, [, reading]) => sum + reading.end - baseOf(reading), 0);
    for (const [digest, reading] of idle) {
      if (held <= idleBytes) return;
      held -= reading.end - baseOf(reading);
      close(digest, reading);
    }
  };

  const advance = (reading: Reading): Promise<void> => {
    reading.advancing ??= (async () => {
      try {
        const next = await reading.iterator.next();
        if (next.done === true) reading.isDone = true;
        else if (next.value.byteLength > 0) {
          reading.chunks.push({ start: reading.end, bytes: next.value });
          reading.end += next.value.byteLength;
        }
      } catch (error) {
        reading.isBroken = true;
        reading.isDone = true;
        throw error;
      } finally {
        reading.advancing = undefined;
      }
    })();
    return reading.advancing;
  };

  /** Waits until the slowest reader has moved on, or leaves it behind. */
  const waitForRoom = async (reading: Reading, reader: Reader): Promise<void> => {
    const startedAt = performance.now();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.max(0, reading.patienceMs));
      reading.wake.push(resolve);
    });
    clearTimeout(timer);
    reading.patienceMs -= performance.now() - startedAt;
    if (reading.patienceMs > 0) return;
    reading.awaited.clear();
    for (const other of reading.readers) {
      if (other.position < reader.position) {
        other.isLeft = true;
        reading.readers.delete(other);
      }
    }
  };

  async function* follow(descriptor: Descriptor, reader: Reader, reading: Reading): Bytes {
    const { digest } = descriptor;
    try {
      for (;;) {
        if (reader.isLeft) return yield* own(descriptor, reader.position, {});
        const chunk = reading.chunks.findLast(({ start }) => start <= reader.position);
        if (chunk !== undefined && reader.position < chunk.start + chunk.bytes.byteLength) {
          const bytes = chunk.bytes.subarray(reader.position - chunk.start);
          yield bytes;
          // Taken only now: whoever is slow to come back for more is slow.
          reader.position += bytes.byteLength;
          if (!reader.isLeft) settle(digest, reading);
        } else if (reading.isBroken) {
          return yield* own(descriptor, reader.position, {});
        } else if (reading.isDone) {
          return;
        } else if (reading.end - slowest(reading) >= windowBytes) {
          await waitForRoom(reading, reader);
          settle(digest, reading);
        } else {
          await advance(reading);
          wakeAll(reading);
        }
      }
    } finally {
      reading.readers.delete(reader);
      if (reading.isBroken) close(digest, reading);
      else settle(digest, reading);
    }
  }

  function own(descriptor: Descriptor, offset: number, { signal, roomOf }: OpenerOptions): Bytes {
    return counted(source.fetch(descriptor, { offset, signal, into: roomOf?.() }));
  }

  return {
    opener: (descriptor, name, options = {}) =>
      async function* opened(offset): Bytes {
        const { digest } = descriptor;
        let reading = readings.get(digest);
        const isFirst = reading === undefined && offset === 0;
        if (isFirst && [...readers].some((other) => other !== name && isExpected(other, digest))) {
          reading = startReading(descriptor);
          readings.set(digest, reading);
        }
        const isKept =
          reading !== undefined &&
          offset >= baseOf(reading) &&
          offset <= reading.end &&
          !reading.isBroken;
        if (reading === undefined || !isKept) {
          yield* own(descriptor, offset, options);
          return;
        }
        const reader: Reader = { name, position: offset, isLeft: false };
        reading.awaited.delete(name);
        reading.readers.add(reader);
        yield* follow(descriptor, reader, reading);
      },
    announce(reader, digests) {
      announced.set(reader, digests);
      for (const [digest, reading] of readings) {
        if (!digests.has(digest) && reading.awaited.delete(reader)) settle(digest, reading);
      }
    },
    release(reader, digest) {
      const turned = released.get(digest) ?? new Set();
      released.set(digest, turned.add(reader));
      const reading = readings.get(digest);
      if (reading?.awaited.delete(reader)) settle(digest, reading);
    },
    get bytesRead() {
      return bytesRead;
    },
  };
}
