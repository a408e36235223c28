import type { InThread } from './threads.ts';

/** A frame that is to be made. */
export interface FrameWork {
  /** the bytes, from the start; what they become is written over them */
  readonly buffer: SharedArrayBuffer;
  readonly frameBytes: number;
  readonly level: number;
}

/** What a thread gets when it starts. */
export interface ZstdStart {
  readonly windowLog: number;
}

/** What a thread does; it uses nothing outside of it. */
export function zstdInThread({ parentPort, workerData }: InThread<FrameWork, ZstdStart>): void {
  const { constants, zstdCompressSync } = process.getBuiltinModule('node:zlib');
  parentPort.on('message', ({ buffer, frameBytes, level }) => {
    const frame = zstdCompressSync(new Uint8Array(buffer, 0, frameBytes), {
      // With room for the worst, zstd compresses all at once, without copies of its own.
      chunkSize: buffer.byteLength,
      params: {
        [constants.ZSTD_c_compressionLevel]: level,
        [constants.ZSTD_c_checksumFlag]: 1,
        // A window that a frame outgrows makes zstd look for matches in two places.
        [constants.ZSTD_c_windowLog]: workerData.windowLog,
      },
    });
    const { byteLength } = frame;
    new Uint8Array(buffer).set(frame);
    // Given back now: a garbage collector comes too late for what lies outside of its heap.
    if (frame.buffer.byteLength === buffer.byteLength) frame.buffer.transfer(0);
    parentPort.postMessage(byteLength);
  });
}
