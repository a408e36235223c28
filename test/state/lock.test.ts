import assert from 'node:assert/strict';
import { readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { withLock } from '../../src/state/lock.ts';
import { tempFolder } from './folders.ts';
import { startProgram } from './programs.ts';

const PROGRAM = new URL('lock-program.ts', import.meta.url);

test('callers of one process get the lock one at a time, in the order they came', async (t) => {
  const lock = join(await tempFolder(t), 'lock');
  const order: number[] = [];
  let inside = 0;
  await Promise.all(
    Array.from({ length: 20 }, (_, caller) =>
      withLock(lock, async () => {
        assert.equal(++inside, 1);
        await delay(1);
        order.push(caller);
        inside--;
      }),
    ),
  );
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.equal(order.length, 20);
  assert.equal((await stat(lock)).size, 0);
});

test('processes that count under a lock lose no count', async (t) => {
  const dir = await tempFolder(t);
  const file = join(dir, 'count');
  await writeFile(file, '0');
  const programs = Array.from({ length: 4 }, () =>
    startProgram(t, PROGRAM, 'count', join(dir, 'lock'), file, '40'),
  );
  for (const program of programs) assert.equal(await program.ended, 0);
  assert.equal(await readFile(file, 'utf8'), '160');
});

test('a process that is killed loses its lock at once', async (t) => {
  const lock = join(await tempFolder(t), 'lock');
  const holder = startProgram(t, PROGRAM, 'hold', lock);
  await holder.said('held');
  await assert.rejects(
    withLock(lock, async () => assert.fail('two have the lock'), { waitMs: 100 }),
    { code: 'INTERNAL' },
  );
  holder.child.kill('SIGKILL');
  await holder.ended;
  assert.equal(await withLock(lock, async () => 'mine', { waitMs: 1000 }), 'mine');
});

test('a process that takes the lock again and again does not starve another one', async (t) => {
  const lock = join(await tempFolder(t), 'lock');
  await startProgram(t, PROGRAM, 'hog', lock).said('started');
  const waits: number[] = [];
  for (let turn = 0; turn < 10; turn++) {
    const since = performance.now();
    await withLock(lock, async () => {}, { waitMs: 10_000 });
    waits.push(performance.now() - since);
    await delay(20);
  }
  const worst = Math.max(...waits);
  assert.ok(worst < 2000, `waited ${Math.round(worst)} ms`);
});

test('waiting ends with the signal, and whoever waits behind still gets the lock', async (t) => {
  const lock = join(await tempFolder(t), 'lock');
  const reason = new Error('enough');
  const controller = new AbortController();
  const first = withLock(lock, () => delay(100));
  const second = withLock(lock, async () => assert.fail('was aborted'), {
    signal: controller.signal,
  });
  const third = withLock(lock, async () => 'third');
  controller.abort(reason);
  await assert.rejects(second, reason);
  await first;
  assert.equal(await third, 'third');

  const holder = startProgram(t, PROGRAM, 'hold', lock);
  await holder.said('held');
  const signal = AbortSignal.timeout(50);
  await assert.rejects(
    withLock(lock, async () => {}, { signal }),
    (error) => error === signal.reason,
  );
});

test('a lock that stays taken in this process is an error after the time to wait', async (t) => {
  const lock = join(await tempFolder(t), 'lock');
  const first = withLock(lock, () => delay(200));
  await assert.rejects(
    withLock(lock, async () => {}, { waitMs: 20 }),
    (error: { code?: string; facts?: { transient?: boolean } }) =>
      error.code === 'INTERNAL' && error.facts?.transient === true,
  );
  await first;
});

test('work that fails gives the lock back', async (t) => {
  const lock = join(await tempFolder(t), 'lock');
  const failure = new Error('work failed');
  await assert.rejects(
    withLock(lock, () => Promise.reject(failure)),
    failure,
  );
  assert.equal(await withLock(lock, async () => 'mine', { waitMs: 100 }), 'mine');
});

test('a file with content and a link are no locks, and stay as they are', async (t) => {
  const dir = await tempFolder(t);
  const full = join(dir, 'full');
  await writeFile(full, 'something of the user');
  const link = join(dir, 'link');
  await symlink(join(dir, 'elsewhere'), link);
  for (const path of [full, link, dir]) {
    await assert.rejects(
      withLock(path, async () => assert.fail('was locked')),
      {
        code: 'CONFIG_INVALID',
      },
    );
  }
  assert.equal(await readFile(full, 'utf8'), 'something of the user');
  await assert.rejects(stat(join(dir, 'elsewhere')), { code: 'ENOENT' });
  await assert.rejects(
    withLock(join(dir, 'no', 'folder'), async () => {}),
    {
      code: 'FILE_NOT_FOUND',
    },
  );
});
