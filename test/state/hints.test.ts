import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openHints } from '../../src/state/hints.ts';
import { tempFolder } from './folders.ts';

test('what was set is there, also for another process and after closing', async (t) => {
  const dir = await tempFolder(t);
  const hints = openHints(dir);
  const value = { digest: 'sha256:00', sizes: [1, 2.5], none: null };
  hints.set('layers', 'key', value);
  hints.set('layers', '__proto__', 'a key like any other');
  hints.set('other', 'key', 1);
  const second = openHints(dir);
  assert.deepEqual(second.get('layers', 'key'), value);
  assert.equal(second.get('layers', '__proto__'), 'a key like any other');
  hints.delete('layers', 'key');
  assert.equal(second.get('layers', 'key'), undefined);
  hints.close();
  assert.equal(hints.get('other', 'key'), 1);
  hints.close();
  second.close();
});

test('nothing is made before the first use, and then for the owner alone', async (t) => {
  const dir = join(await tempFolder(t), 'home');
  const hints = openHints(dir);
  await assert.rejects(stat(dir), { code: 'ENOENT' });
  hints.set('a', 'b', 1);
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  for (const name of await readdir(dir)) {
    assert.equal((await stat(join(dir, name))).mode & 0o777, 0o600, name);
  }
  hints.close();
});

test('a table keeps the rows that were used last', async (t) => {
  const hints = openHints(await tempFolder(t), { rowsPerTable: 100 });
  hints.set('other', 'row', 'stays');
  for (let row = 0; row < 1025; row++) hints.set('table', `row${row}`, row);
  const kept = Array.from({ length: 1025 }, (_, row) => hints.get('table', `row${row}`));
  const count = kept.filter((value) => value !== undefined).length;
  assert.ok(count >= 100 && count < 400, `${count} rows`);
  assert.equal(hints.get('table', 'row1024'), 1024);
  assert.equal(hints.get('other', 'row'), 'stays');
  hints.close();
});

test('a damaged file is replaced', async (t) => {
  const dir = await tempFolder(t);
  await writeFile(join(dir, 'state.db'), 'this is no database, and long enough to be read as one');
  const hints = openHints(dir);
  assert.equal(hints.get('a', 'b'), undefined);
  hints.set('a', 'b', 'new');
  assert.equal(hints.get('a', 'b'), 'new');
  hints.close();

  const bytes = await readFile(join(dir, 'state.db'));
  bytes.fill(0xff, 100);
  await writeFile(join(dir, 'state.db'), bytes);
  const again = openHints(dir);
  again.get('a', 'b');
  again.set('a', 'b', 'newer');
  assert.equal(again.get('a', 'b'), 'newer');
  again.close();
});

test('a database of somebody else is replaced, too', async (t) => {
  const dir = await tempFolder(t);
  const foreign = new DatabaseSync(join(dir, 'state.db'));
  foreign.exec('CREATE TABLE hints (something TEXT)');
  foreign.close();
  const hints = openHints(dir);
  hints.set('a', 'b', 1);
  assert.equal(hints.get('a', 'b'), 1);
  hints.close();
});

test('a file that another process has locked costs the hint and little time', async (t) => {
  const dir = await tempFolder(t);
  const hints = openHints(dir);
  hints.set('a', 'b', 'old');
  const other = new DatabaseSync(join(dir, 'state.db'));
  other.exec('BEGIN IMMEDIATE');
  const since = performance.now();
  for (let turn = 0; turn < 1000; turn++) hints.set('a', 'b', 'new');
  const tookMs = performance.now() - since;
  assert.ok(tookMs < 1000, `took ${tookMs} ms`);
  other.exec('ROLLBACK');
  other.close();
  hints.close();
  const fresh = openHints(dir);
  assert.equal(fresh.get('a', 'b'), 'old');
  fresh.close();
});

test('a place where no file can be made costs the hint', async (t) => {
  const file = join(await tempFolder(t), 'file');
  await writeFile(file, '');
  const hints = openHints(join(file, 'home'));
  hints.set('a', 'b', 1);
  assert.equal(hints.get('a', 'b'), undefined);
  hints.delete('a', 'b');
  hints.close();

  const home = await tempFolder(t);
  await mkdir(join(home, 'state.db', 'inner'), { recursive: true });
  const blocked = openHints(home);
  blocked.set('a', 'b', 1);
  assert.equal(blocked.get('a', 'b'), undefined);
  blocked.close();
});

test('a value or key that is too long is not kept', async (t) => {
  const hints = openHints(await tempFolder(t));
  hints.set('a', 'b', 'x'.repeat(100_000));
  hints.set('a', 'k'.repeat(5000), 1);
  assert.equal(hints.get('a', 'b'), undefined);
  assert.equal(hints.get('a', 'k'.repeat(5000)), undefined);
  hints.close();
});
