import type { Bytes } from './stream.ts';

/** Reads content piece by piece; where one piece follows another the content is opened once. */
export interface Reader {
  /** At most `lengthBytes` from `offset` on. A piece that is not read to its end costs a new opening. */
  read(offset: number, lengthBytes: number): Bytes;
  close(): void;
}

interface Opened {
  readonly chunks: AsyncIterator<Uint8Array>;
  position: number;
  /** read, but behind the end of the last piece */
  rest: Uint8Array | undefined;
  isRead: boolean;
}

/** Makes a reader of content that can be opened at any offset. */
export function createReader(open: (offset: number) => Bytes): Reader {
  let opened: Opened | undefined;

  const close = (): void => {
    const { chunks } = opened ?? {};
    opened = undefined;
    // A read that is under way may never end; nobody waits for it.
    chunks?.return?.().catch(() => {});
  };

  const openAt = (offset: number): Opened => {
    if (opened !== undefined && !opened.isRead && opened.position === offset) return opened;
    close();
    const chunks = open(offset)[Symbol.asyncIterator]();
    opened = { chunks, position: offset, rest: undefined, isRead: false };
    return opened;
  };

  return {
    async *read(offset, lengthBytes) {
      const source = openAt(offset);
      source.isRead = true;
      let left = lengthBytes;
      while (left > 0) {
        let chunk = source.rest;
        source.rest = undefined;
        if (chunk === undefined) {
          const next = await source.chunks.next();
          if (next.done === true) return;
          chunk = next.value;
        }
        if (chunk.byteLength > left) {
          source.rest = chunk.subarray(left);
          chunk = chunk.subarray(0, left);
        }
        left -= chunk.byteLength;
        source.position += chunk.byteLength;
        yield chunk;
      }
      source.isRead = false;
    },
    close,
  };
}
