import type { InThread } from './threads.ts';

/** A block that is to be compressed. */
export interface BlockWork {
  /**
   * the 32 KiB before the block end at `WINDOW_BYTES`, and the block begins there; what it becomes
   * is written over both, from the start
   */
  readonly buffer: SharedArrayBuffer;
  /** how much of what came before is there */
  readonly dictionaryBytes: number;
  readonly blockBytes: number;
  readonly level: number;
  /** the stream ends with it */
  readonly last: boolean;
}

/** What a thread gets when it starts. */
export interface DeflateStart {
  readonly module: object;
  readonly windowBytes: number;
}

/** What `block.c` exports. */
interface BlockModule {
  readonly memory: { readonly buffer: ArrayBuffer };
  input(): number;
  output(): number;
  block(level: number, dictionaryBytes: number, blockBytes: number, last: number): number;
}

/** WebAssembly, as far as it is used: TypeScript knows it only of browsers. */
export interface WebAssemblyGlobal {
  readonly WebAssembly: {
    compile(bytes: Uint8Array): Promise<object>;
    readonly Instance: new (module: object) => { readonly exports: unknown };
  };
}

/** What a thread does; it uses nothing outside of it. */
export function deflateInThread({
  parentPort,
  workerData,
}: InThread<BlockWork, DeflateStart>): void {
  const { Instance } = (globalThis as unknown as WebAssemblyGlobal).WebAssembly;
  const exports = new Instance(workerData.module).exports as BlockModule;
  const memory = new Uint8Array(exports.memory.buffer);
  parentPort.on('message', ({ buffer, dictionaryBytes, blockBytes, level, last }) => {
    const begin = workerData.windowBytes - dictionaryBytes;
    const length = dictionaryBytes + blockBytes;
    memory.set(new Uint8Array(buffer, begin, length), exports.input());
    const size = exports.block(level, dictionaryBytes, blockBytes, last ? 1 : 0);
    if (size === 0) throw new Error(`a block of ${blockBytes} bytes was not compressed`);
    const from = exports.output();
    // Memory of its own for each result would stay with the thread that asked for it.
    new Uint8Array(buffer).set(memory.subarray(from, from + size));
    parentPort.postMessage(size);
  });
}
