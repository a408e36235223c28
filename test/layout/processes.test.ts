import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readManifest, walk } from '../../src/content/graph.ts';
import { type Layout, openLayout } from '../../src/layout/layout.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { runs } from '../rig/long.ts';
import { tempFolder } from '../state/folders.ts';
import { startProgram } from '../state/programs.ts';
import { makeImage, pushImage } from './images.ts';

const PROGRAM = new URL('work-program.ts', import.meta.url);

/** Reads every byte of an image; each digest is checked on the way. */
async function assertWhole(layout: Layout, name: string): Promise<void> {
  const root = await layout.resolve(name);
  const { blobs } = await walk(layout, root);
  await readManifest(layout, root);
  for (const blob of blobs) {
    const bytes = Buffer.concat(await Array.fromAsync(layout.fetch(blob)));
    assert.equal(digestOf(bytes), blob.digest, name);
  }
}

test('two processes that give two hundred names each lose none', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  const programs = ['left', 'right'].map((id) => startProgram(t, PROGRAM, 'tag', dir, id, '200'));
  for (const program of programs) assert.equal(await program.ended, 0);
  const names = new Set(await Array.fromAsync((await openLayout(dir)).list()));
  assert.equal(names.size, 400);
  for (let turn = 0; turn < 200; turn++) {
    assert.ok(names.has(`left-${turn}`) && names.has(`right-${turn}`));
  }
});

test('eight processes that write one layout all succeed', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  const programs = Array.from({ length: 8 }, (_, id) =>
    startProgram(t, PROGRAM, 'publish', dir, `p${id}`, '6'),
  );
  for (const program of programs) assert.equal(await program.ended, 0);
  const layout = await openLayout(dir);
  const names = await Array.fromAsync(layout.list());
  assert.equal(names.length, 48);
  for (const name of names) await assertWhole(layout, name);
  assert.deepEqual(await readdir(join(dir, '.slipway', 'ingest')), []);
});

test('a process killed at any time leaves a readable layout with all that it had done', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  const { numRuns } = runs(20, 200);
  let done: string[] = [];
  for (let round = 0; round < numRuns; round++) {
    const program = startProgram(t, PROGRAM, 'publish', dir, `r${round}`, '1000');
    if (round % 4 > 0) await program.said(`done r${round}-${(round % 4) - 1}`);
    await delay(Math.random() * 80);
    program.child.kill('SIGKILL');
    await program.ended;
    const fresh = program.lines.filter((line) => line.startsWith('done ')).map((l) => l.slice(5));
    done = [...done, ...fresh];
    if (done.length === 0) continue;
    const layout = await openLayout(dir);
    for (const name of fresh) await assertWhole(layout, name);
    const names = new Set(await Array.fromAsync(layout.list()));
    for (const name of done) assert.ok(names.has(name), `${name} of round ${round}`);
  }
  const layout = await openLayout(dir);
  // Names that were given and not yet told stand for whole images, too.
  for await (const name of layout.list()) await assertWhole(layout, name);
  await layout.prune({ unnamed: true });
  for (const name of done) assert.equal(await layout.exists(await layout.resolve(name)), true);
  assert.deepEqual(await readdir(join(dir, '.slipway', 'ingest')), []);
  assert.deepEqual(await readdir(join(dir, '.slipway', 'leases')), []);
});

test('what one process publishes survives the prunes of another', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  await openLayout(dir, { create: true });
  const pruning = startProgram(t, PROGRAM, 'prune', dir);
  await pruning.said('started');
  const publishing = [
    startProgram(t, PROGRAM, 'publish', dir, 'p', '15'),
    startProgram(t, PROGRAM, 'same', dir, 'q', '40'),
    startProgram(t, PROGRAM, 'same', dir, 'r', '40'),
  ];
  for (const program of publishing) assert.equal(await program.ended, 0);
  pruning.child.kill('SIGKILL');
  await pruning.ended;
  const layout = await openLayout(dir);
  for await (const name of layout.list()) await assertWhole(layout, name);
  assert.equal((await Array.fromAsync(layout.list())).filter((n) => n.startsWith('p-')).length, 15);
});

test('prunes that are killed lose nothing of what is pushed beside them', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  await openLayout(dir, { create: true });
  const publishing = startProgram(t, PROGRAM, 'same', dir, 'q', '100');
  for (let round = 0; round < 8 && publishing.child.exitCode === null; round++) {
    const pruning = startProgram(t, PROGRAM, 'prune', dir);
    await pruning.said('started');
    await delay(Math.random() * 40);
    pruning.child.kill('SIGKILL');
    await pruning.ended;
  }
  assert.equal(await publishing.ended, 0);
  const layout = await openLayout(dir);
  for await (const name of layout.list()) await assertWhole(layout, name);
});

test('an image that another process uses is not pruned although its name is gone', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  const image = makeImage('used');
  const writer = await openLayout(dir, { create: true });
  await pushImage(writer, image, 'v1');
  await writer.close();
  const { digest } = image.manifest.descriptor;
  const user = startProgram(t, PROGRAM, 'use', dir, 'v1');
  await user.said(`using ${digest}`);

  const layout = await openLayout(dir);
  await layout.untag('v1');
  assert.deepEqual((await layout.prune()).blobs, []);
  assert.equal(await layout.exists(image.manifest.descriptor), true);
  user.child.kill('SIGKILL');
  await user.ended;
  assert.equal((await layout.prune()).blobs.length, 3);
  assert.equal(await layout.exists(image.manifest.descriptor), false);
});

test('what a killed process was writing is removed by the next one that writes', async (t) => {
  const dir = join(await tempFolder(t), 'layout');
  const hanging = startProgram(t, PROGRAM, 'hang', dir);
  await hanging.said('written');
  const layout = await openLayout(dir);
  const ingests = join(dir, '.slipway', 'ingest');
  await layout.prune();
  assert.equal((await readdir(ingests)).length, 1, 'its process is alive');
  hanging.child.kill('SIGKILL');
  await hanging.ended;
  await pushImage(layout, makeImage('a'), 'v1');
  assert.deepEqual(await readdir(ingests), []);
  await layout.close();
});
