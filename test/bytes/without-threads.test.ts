import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { compress } from '../../src/bytes/compress.ts';
import { type CompressionFormat, decompress } from '../../src/bytes/inflate.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { all, prose } from './samples.ts';

const MIB = 1024 * 1024;
const FORMATS: readonly CompressionFormat[] = ['gzip', 'zstd'];
/** More than the few blocks that the main thread takes before it starts others. */
const INPUT = prose(13 * MIB + 123);

interface CompressedHow {
  readonly args?: readonly string[];
  readonly bytes?: number;
  /** threads are asked for before there is anything to compress */
  readonly early?: boolean;
}

/** Compresses in a process of its own, in which `before` has run. */
async function compressWith(
  format: CompressionFormat,
  before: string,
  { args = [], bytes = INPUT.byteLength, early = false }: CompressedHow = {},
) {
  const at = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const program = `
    ${before}
    const { compress, prepareCompression } = await import(${at('../../src/bytes/compress.ts')});
    const { fromMemory } = await import(${at('../../src/bytes/stream.ts')});
    const { all, prose } = await import(${at('./samples.ts')});
    if (${early}) await prepareCompression('${format}', [${bytes}]);
    const packed = await all(compress(fromMemory(prose(${bytes})), '${format}'));
    process.stdout.write(packed);`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...args, '--input-type=module', '--eval', program],
    { encoding: 'buffer', maxBuffer: 20 * MIB },
  );
  return stdout;
}

/** Lets Node start `count` threads, and fail at each one more in the way of `failing`. */
const limitThreads = (count: number, failing: string) => `
  import os from 'node:os';
  import threads from 'node:worker_threads';
  import { EventEmitter } from 'node:events';
  import { syncBuiltinESMExports } from 'node:module';
  os.availableParallelism = () => 3;
  const { Worker } = threads;
  let started = 0;
  threads.Worker = function (...args) {
    if (started++ < ${count}) return new Worker(...args);
    ${failing}
  };
  syncBuiltinESMExports();`;

const AT_ONCE = "throw Object.assign(new Error('no thread'), { code: 'ERR_WORKER_INIT_FAILED' });";
const LATER = `
  const never = Object.assign(new EventEmitter(), { ref() {}, unref() {}, postMessage() {} });
  setImmediate(() => never.emit('error', new Error('no thread')));
  setImmediate(() => never.emit('exit', 1));
  return never;`;

const SETTING_UP = `
  return new Worker("throw new Error('no memory')", args[1]);`;

const EXPECTED = new Map<CompressionFormat, Buffer>();
async function expected(format: CompressionFormat): Promise<Buffer> {
  const made = EXPECTED.get(format) ?? (await all(compress(fromMemory(INPUT), format)));
  EXPECTED.set(format, made);
  return made;
}

for (const format of FORMATS) {
  for (const [how, failing] of [
    ['at once', AT_ONCE],
    ['later', LATER],
    ['while they set themselves up', SETTING_UP],
  ] as const) {
    for (const count of [0, 1]) {
      test(`${format}: where Node starts ${count} threads, and fails ${how}, the bytes are the same`, async () => {
        const packed = await compressWith(format, limitThreads(count, failing));
        assert.ok(packed.equals(await expected(format)));
        assert.ok((await all(decompress(fromMemory(packed), format))).equals(INPUT));
      });
    }
    test(`${format}: where threads are asked for early, and fail ${how}, the bytes are the same`, async () => {
      const packed = await compressWith(format, limitThreads(0, failing), { early: true });
      assert.ok(packed.equals(await expected(format)));
    });
  }

  test(`${format}: threads that nobody may start are not needed`, async () => {
    const packed = await compressWith(format, '', { args: ['--permission', '--allow-fs-read=*'] });
    assert.ok(packed.equals(await expected(format)));
  });

  test(`${format}: a thread that dies while it compresses ends the stream with an error`, async () => {
    const dying = `
      import threads from 'node:worker_threads';
      import { syncBuiltinESMExports } from 'node:module';
      const { Worker } = threads;
      threads.Worker = function (...args) {
        const worker = new Worker(...args);
        // Not yet where it says that it can work.
        worker.on('message', (size) => size >= 0 && worker.terminate());
        return worker;
      };
      syncBuiltinESMExports();`;
    await assert.rejects(compressWith(format, dying), /a thread that compresses ended/);
  });

  test(`${format}: what is short is compressed without a thread`, async () => {
    const none = limitThreads(
      0,
      "process.stderr.write('a thread was asked for'); process.exit(1);",
    );
    await compressWith(format, none, { bytes: 2 * MIB });
    await assert.rejects(compressWith(format, none), /a thread was asked for/);
  });
}

test('gzip: a machine without what its WebAssembly needs is told as that', async () => {
  const refusing = "WebAssembly.compile = async () => { throw new Error('no vectors'); };";
  await assert.rejects(compressWith('gzip', refusing), /UNSUPPORTED/);
});

test('gzip: where not even the main thread has the memory, the stream ends with an error', async () => {
  const nowhere = "WebAssembly.Instance = function () { throw new Error('no memory'); };";
  await assert.rejects(compressWith('gzip', limitThreads(0, LATER) + nowhere), /no memory/);
  const early = { early: true };
  await assert.rejects(compressWith('gzip', limitThreads(0, LATER) + nowhere, early), /no memory/);
});
