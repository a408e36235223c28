import { SlipwayError } from '../errors.ts';
import { createBlockStreams } from './block-streams.ts';
import { DEFLATE_MODULE } from './deflate-module.ts';
import { deflateInThread, type WebAssemblyGlobal } from './deflate-thread.ts';
import { createThreads } from './threads.ts';

/** What is compressed at once. */
const BLOCK_BYTES = 1024 * 1024;
/** How far deflate can look back (RFC 1951): what a block needs to know of the one before. */
export const WINDOW_BYTES = 32 * 1024;

/** Raw deflate, made in blocks that end on a byte. `UNSUPPORTED` where there is no WebAssembly. */
export const blocks = createBlockStreams({
  blockBytes: BLOCK_BYTES,
  begin: WINDOW_BYTES,
  memoryBytes: WINDOW_BYTES + BLOCK_BYTES,
  threads: createThreads(deflateInThread, async () => ({
    module: await compileModule(),
    windowBytes: WINDOW_BYTES,
  })),
});

async function compileModule(): Promise<object> {
  try {
    const { WebAssembly } = globalThis as unknown as WebAssemblyGlobal;
    return await WebAssembly.compile(Buffer.from(DEFLATE_MODULE, 'base64'));
  } catch (cause) {
    throw new SlipwayError(
      'UNSUPPORTED',
      'gzip is made by WebAssembly with vector instructions, which Node has not here',
      { hint: 'start it without options like --jitless; zstd needs no WebAssembly', cause },
    );
  }
}
