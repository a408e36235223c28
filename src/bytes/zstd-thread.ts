import type { InThread } from './threads.ts';

/** A frame that is to be made. */
export interface FrameWork {
  /** the bytes, from the start; what they become is written over them */
  readonly buffer: SharedArrayBuffer;
  readonly frameBytes: number;
  readonly level: number;
  readonly windowLog: number;
}

/** What a thread does; it uses nothing outside of it. */
export function zstdInThread({ parentPort }: InThread<FrameWork, undefined>): void {
  const { constants, zstdCompressSync } = process.getBuiltinModule('node:zlib');
  parentPort.on('message', ({ buffer, frameBytes, level, windowLog }) => {
    const frame = zstdCompressSync(new Uint8Array(buffer, 0, frameBytes), {
      // With room for the worst, zstd compresses all at once, without copies of its own.
      chunkSize: buffer.byteLength,
      params: {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_checksumFlag]: 1,
        // A window that a frame outgrows makes zstd look for matches in two places.
        [constants.ZSTD_c_windowLog]: windowLog,
      },
    });
    new Uint8Array(buffer).set(frame);
    parentPort.postMessage(frame.byteLength);
    // Given back now: a garbage collector comes too late for what lies outside of its heap.
    if (frame.buffer.byteLength === buffer.byteLength) frame.buffer.transfer(0);
  });
}
