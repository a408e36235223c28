import type { Transform } from 'node:stream';
import type { Bytes } from './stream.ts';

/** A stream of node:zlib: it counts the bytes that it has consumed. */
export type Codec = Transform & { readonly bytesWritten: number };

/** A stream that is being read by hand, and that takes bytes back. */
export interface Reading {
  /** The next chunk, or undefined at the end. */
  next(): Promise<Uint8Array | undefined>;
  /** Puts bytes back before all that follow. */
  unread(chunk: Uint8Array): void;
  /** Ends the reading; must be called, also after a failure. */
  close(): Promise<void>;
}

/** Starts to read `bytes` by hand. */
export function startReading(bytes: Bytes): Reading {
  const iterator = bytes[Symbol.asyncIterator]();
  const before: Uint8Array[] = [];
  return {
    async next() {
      const unread = before.pop();
      if (unread !== undefined) return unread;
      const { done, value } = await iterator.next();
      return done ? undefined : value;
    },
    unread: (chunk) => {
      before.push(chunk);
    },
    close: async () => {
      await iterator.return?.();
    },
  };
}

/**
 * Sends what `reading` gives through a codec, with back-pressure: each chunk is done before the
 * next one goes in, so that what comes out never depends on timing. Ends when the reading does, or
 * when the codec has found its end; bytes that it left over are put back then.
 */
export async function* throughCodec(codec: Codec, reading: Reading): Bytes {
  let wake = () => {};
  codec.once('close', () => wake());
  // A write that waits for room is not called back when the stream is destroyed: `close` is.
  const write = (chunk: Uint8Array) =>
    new Promise<void>((resolve) => {
      wake = resolve;
      codec.write(chunk, () => resolve());
    });
  const feed = async () => {
    let fed = 0;
    for (let chunk = await reading.next(); chunk !== undefined; chunk = await reading.next()) {
      if (codec.destroyed) return;
      if (chunk.byteLength === 0) continue;
      fed += chunk.byteLength;
      await write(chunk);
      if (codec.destroyed) return;
      const left = fed - codec.bytesWritten;
      if (left > 0) {
        reading.unread(chunk.subarray(chunk.byteLength - left));
        return;
      }
    }
    codec.end();
  };
  const feeding = feed().catch((error: Error) => {
    codec.destroy(error);
  });
  try {
    yield* codec;
  } finally {
    codec.destroy();
    await feeding;
  }
}
