import { createReadStream } from 'node:fs';

/** A file in chunks of 1 MiB. */
export async function* readChunks(file: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(file, { highWaterMark: 1024 * 1024 });
}
