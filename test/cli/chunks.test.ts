import assert from 'node:assert/strict';
import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { openChunks } from '../../scripts/chunks.ts';
import { tempDir } from '../rig/lifetime.ts';

const FILES = {
  'main.cjs': `
    const part = require('./part.cjs');
    exports.sum = () => part.add(40, 2);
    exports.later = () => Promise.resolve().then(() => require('./later.cjs'));
    exports.ofNode = () => require('node:path').posix.join('a', 'b');
    exports.imported = () => SLIPWAY_IMPORT('node:path');
    exports.file = __filename;`,
  'part.cjs': `
    exports.add = (a, b) => a + b;
    exports.main = () => require('./main.cjs');`,
  'later.cjs': `exports.name = require('./pack.cjs/first.cjs').name;`,
  'pack.cjs': `
    exports['first.cjs'] = (exports, require) => {
      exports.name = require('./pack.cjs/second.cjs').name;
    };
    exports['second.cjs'] = (exports) => {
      exports.name = 'later';
    };`,
};

interface Main {
  readonly sum: () => number;
  readonly later: () => Promise<{ readonly name: string }>;
  readonly ofNode: () => string;
  readonly imported: () => Promise<typeof path>;
  readonly file: string;
}

async function filesFor(t: TestContext): Promise<string> {
  const folder = await tempDir(t);
  for (const [name, text] of Object.entries(FILES)) await writeFile(path.join(folder, name), text);
  return folder;
}

async function scene(t: TestContext) {
  const folder = await filesFor(t);
  const cache = await tempDir(t);
  const keptAt = path.join(cache, 'code-1-push');
  return {
    folder,
    cache,
    keptAt,
    start: (at: string | undefined = keptAt) => {
      const chunks = openChunks(folder, at);
      return { chunks, main: chunks.load('main.cjs') as Main };
    },
  };
}

test('chunks load each other once, what is of Node, and what is imported', async (t) => {
  const { start, folder } = await scene(t);
  const { chunks, main } = start(undefined);
  assert.equal(main.sum(), 42);
  assert.deepEqual({ ...(await main.later()) }, { name: 'later' });
  assert.equal(main.ofNode(), 'a/b');
  assert.equal((await main.imported()).join, path.join);
  assert.equal(main.file, path.join(folder, 'main.cjs'));
  assert.equal((chunks.load('part.cjs') as { main: () => Main }).main(), main);
});

test('compiled code of what was called is kept, for its user alone', async (t) => {
  const { start, keptAt } = await scene(t);
  const idle = start(`${keptAt}-idle`);
  idle.chunks.keep();
  const { chunks, main } = start();
  main.sum();
  chunks.keep();
  const { size, mode } = await stat(keptAt);
  assert.ok(size > (await stat(`${keptAt}-idle`)).size);
  assert.equal(mode & 0o777, 0o600);
});

test('a start that found all that it needs writes nothing', async (t) => {
  const { start, cache, keptAt } = await scene(t);
  start().chunks.keep();
  const { ino } = await stat(keptAt);
  const { chunks, main } = start();
  assert.equal(main.sum(), 42);
  chunks.keep();
  assert.equal((await stat(keptAt)).ino, ino);
  assert.deepEqual(await readdir(cache), [path.basename(keptAt)]);
});

test('a chunk that was missing is kept from then on', async (t) => {
  const { start, keptAt } = await scene(t);
  start().chunks.keep();
  const { chunks, main } = start();
  await main.later();
  chunks.keep();
  assert.match(await readFile(keptAt, 'latin1'), /"later\.cjs"/);
});

test('chunks that come when V8 has other flags work, and are not kept', async (t) => {
  const { start, keptAt } = await scene(t);
  const { chunks, main } = start();
  chunks.close();
  assert.equal((await main.later()).name, 'later');
  chunks.keep();
  assert.doesNotMatch(await readFile(keptAt, 'latin1'), /"later\.cjs"/);
});

test('code that V8 refuses is not written again and again', async (t) => {
  const { start, keptAt } = await scene(t);
  setFlagsFromString('--no-maglev');
  start().chunks.keep();
  setFlagsFromString('--maglev');
  const { ino } = await stat(keptAt);
  // V8 would remember files of the same names itself.
  const chunks = openChunks(await filesFor(t), keptAt);
  assert.equal((chunks.load('main.cjs') as Main).sum(), 42);
  chunks.keep();
  assert.equal((await stat(keptAt)).ino, ino);
});

test('damaged code is not run, and written anew', async (t) => {
  const { start, keptAt } = await scene(t);
  start().chunks.keep();
  const whole = await readFile(keptAt);
  const changed = Buffer.from(whole);
  const middle = whole.length >> 1;
  changed[middle] = 255 - (changed[middle] ?? 0);
  const zeros = Buffer.alloc(whole.length);
  for (const damaged of [changed, whole.subarray(0, -1), whole.subarray(0, 3), zeros]) {
    await writeFile(keptAt, damaged);
    const { chunks, main } = start();
    assert.equal(main.sum(), 42);
    chunks.keep();
    assert.notDeepEqual(await readFile(keptAt), damaged);
  }
});

test('what a release left behind goes after a month', async (t) => {
  const { start, cache } = await scene(t);
  const old = ['code-0-push', 'other-0-push'];
  for (const name of [...old, 'code-2-push']) await writeFile(path.join(cache, name), '');
  const longAgo = new Date(Date.now() - 31 * 86_400_000);
  for (const name of old) await utimes(path.join(cache, name), longAgo, longAgo);
  start().chunks.keep();
  assert.deepEqual((await readdir(cache)).toSorted(), [
    'code-1-push',
    'code-2-push',
    'other-0-push',
  ]);
});

test('a folder that is gone costs nothing but the code', async (t) => {
  const { start, cache } = await scene(t);
  const { chunks, main } = start(path.join(cache, 'gone', 'code-1-push'));
  assert.equal(main.sum(), 42);
  chunks.keep();
  assert.deepEqual(await readdir(cache), []);
});
