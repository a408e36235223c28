import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readLeases, removeLease, takeLease } from '../../src/state/lease.ts';
import { tempFolder } from './folders.ts';
import { startProgram } from './programs.ts';

const PROGRAM = new URL('lease-program.ts', import.meta.url);

test('a lease is live as long as its process, and dead when that was killed', async (t) => {
  const dir = join(await tempFolder(t), 'leases');
  const before = Date.now();
  const holder = startProgram(t, PROGRAM, dir);
  await holder.said('taken');

  const { live, dead } = await readLeases(dir);
  assert.equal(live.length, 1);
  assert.deepEqual(dead, []);
  assert.deepEqual(live[0]?.notes, ['something']);
  assert.ok(Math.abs((live[0]?.startMs ?? 0) - before) < 60_000);

  holder.child.kill('SIGKILL');
  await holder.ended;
  const after = await readLeases(dir);
  assert.deepEqual(after.live, []);
  assert.deepEqual(after.dead, [live[0]?.id]);
  await removeLease(dir, after.dead[0] ?? '');
  assert.deepEqual(await readdir(dir), []);
});

test('a lease of this process is live until it is released', async (t) => {
  const dir = join(await tempFolder(t), 'leases');
  const lease = await takeLease(dir);
  const other = await takeLease(dir);
  await lease.note('a');
  await lease.note('b');
  // Looking twice: a look must not end what it looks at.
  await readLeases(dir);
  const { live } = await readLeases(dir);
  assert.deepEqual(live.map(({ id }) => id).sort(), [lease.id, other.id].sort());
  assert.deepEqual(live.find(({ id }) => id === lease.id)?.notes, ['a', 'b']);
  assert.equal(live.find(({ id }) => id === lease.id)?.startMs, lease.startMs);
  await lease.release();
  assert.deepEqual(
    (await readLeases(dir)).live.map(({ id }) => id),
    [other.id],
  );
  await other.release();
  assert.deepEqual(await readdir(dir), []);
});

test('a look by one process does not end the lease of this one', async (t) => {
  const dir = join(await tempFolder(t), 'leases');
  const lease = await takeLease(dir);
  await readLeases(dir);
  const script = `
    import { readLeases } from ${JSON.stringify(new URL('../../src/state/lease.ts', import.meta.url).href)};
    const { live, dead } = await readLeases(process.argv[2]);
    process.stdout.write(live.length + ' live ' + dead.length + ' dead\\n');`;
  const file = join(await tempFolder(t), 'look.mjs');
  await writeFile(file, script);
  await startProgram(t, new URL(`file://${file}`), dir).said('1 live 0 dead');
  await lease.release();
});

test('a folder that is not there holds no leases', async (t) => {
  assert.deepEqual(await readLeases(join(await tempFolder(t), 'none')), { live: [], dead: [] });
});
