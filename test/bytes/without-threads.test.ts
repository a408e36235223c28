import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { gzip } from '../../src/bytes/gzip.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { all, prose } from './samples.ts';

const MIB = 1024 * 1024;
const INPUT = prose(7 * MIB + 123);

/** Compresses in a process of its own, in which `before` has run. */
async function gzipWith(before: string, args: readonly string[] = []) {
  const at = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const program = `
    ${before}
    const { gzip } = await import(${at('../../src/bytes/gzip.ts')});
    const { fromMemory } = await import(${at('../../src/bytes/stream.ts')});
    const { all, prose } = await import(${at('./samples.ts')});
    const packed = await all(gzip(fromMemory(prose(${INPUT.byteLength}))));
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

for (const [how, failing] of [
  ['at once', AT_ONCE],
  ['later', LATER],
] as const) {
  for (const count of [0, 1]) {
    test(`gzip: where Node starts ${count} threads, and fails ${how}, the bytes are the same`, async () => {
      const packed = await gzipWith(limitThreads(count, failing));
      assert.ok(packed.equals(await all(gzip(fromMemory(INPUT)))));
      assert.ok(gunzipSync(packed).equals(INPUT));
    });
  }
}

test('gzip: threads that nobody may start are not needed', async () => {
  const packed = await gzipWith('', ['--permission', '--allow-fs-read=*']);
  assert.ok(packed.equals(await all(gzip(fromMemory(INPUT)))));
});

test('gzip: a thread that dies while it compresses ends the stream with an error', async () => {
  const dying = `
    import threads from 'node:worker_threads';
    import { syncBuiltinESMExports } from 'node:module';
    const { Worker } = threads;
    threads.Worker = function (...args) {
      const worker = new Worker(...args);
      worker.on('message', () => worker.terminate());
      return worker;
    };
    syncBuiltinESMExports();`;
  await assert.rejects(gzipWith(dying), /a thread that compresses ended/);
});

test('gzip: a machine without what its WebAssembly needs is told as that', async () => {
  const refusing = "WebAssembly.compile = async () => { throw new Error('no vectors'); };";
  await assert.rejects(gzipWith(refusing), /UNSUPPORTED/);
});
