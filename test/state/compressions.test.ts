import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { compressLayers } from '../../src/content/derivations/compress.ts';
import { graphOf } from '../../src/content/graph.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { createCompressionTable } from '../../src/state/compressions.ts';
import { openHints } from '../../src/state/hints.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';

const GZIP = { format: 'gzip' } as const;

/** Tables of one folder, as several processes have them. */
async function tablesOf(owner: Owner, count: number) {
  const dir = await tempDir(owner);
  return Array.from({ length: count }, () => {
    const hints = openHints(dir);
    atEnd(owner, async () => hints.close());
    return createCompressionTable(hints, path.join(dir, 'locks'));
  });
}

test('a layer is worked on by one at a time, another layer at the same time', async (t) => {
  const tables = await tablesOf(t, 3);
  const atWork = new Map<Digest, number>();
  let most = 0;
  const [one, two] = [digestOf('one'), digestOf('two')];
  const other = Promise.withResolvers<void>();
  const work = (diffId: Digest) => async () => {
    atWork.set(diffId, (atWork.get(diffId) ?? 0) + 1);
    most = Math.max(most, ...atWork.values());
    // Nobody gets on before the other layer is worked on, too.
    if (diffId === two) other.resolve();
    await other.promise;
    await new Promise((resolve) => setTimeout(resolve, 20));
    atWork.set(diffId, (atWork.get(diffId) ?? 0) - 1);
  };
  const [first] = tables;
  await Promise.all([
    ...tables.map((table) => table.alone?.(one, GZIP, work(one))),
    first?.alone?.(two, GZIP, work(two)),
  ]);
  assert.equal(most, 1);
});

test('who waits for a layer stops with an abort', async (t) => {
  const [one, two] = await tablesOf(t, 2);
  const stop = new AbortController();
  const held = Promise.withResolvers<void>();
  const holding = one?.alone?.(digestOf('one'), GZIP, () => held.promise);
  const waiting = two?.alone?.(digestOf('one'), GZIP, async () => 'done', stop.signal);
  stop.abort(new Error('stopped'));
  await assert.rejects(async () => await waiting, /stopped/);
  held.resolve();
  await holding;
});

test('a failure is told, and the next one may try', async (t) => {
  const [one, two] = await tablesOf(t, 2);
  const failing = async () => {
    throw new Error('no space');
  };
  await assert.rejects(async () => await one?.alone?.(digestOf('one'), GZIP, failing), /no space/);
  assert.equal(await two?.alone?.(digestOf('one'), GZIP, async () => 'done'), 'done');
});

test('where no lock can be made the work is done all the same', async (t) => {
  const hints = openHints(await tempDir(t));
  atEnd(t, async () => hints.close());
  const table = createCompressionTable(hints, '/dev/null/locks');
  assert.equal(await table.alone?.(digestOf('one'), GZIP, async () => 'done'), 'done');
});

test('runs that compress an image at the same moment compress each layer once', async (t) => {
  const dir = path.join(await tempDir(t), 'store');
  const layers = ['one', 'two', 'three'].map((name) => bytesOf(name, 400_000));
  const tables = await tablesOf(t, 3);
  const compressed: string[] = [];
  const graphs = [];
  for (const table of tables) {
    const store = await openLayout(dir, { create: true });
    atEnd(t, () => store.close());
    const root = await putImage(store, { layers, compression: 'none' });
    const emit = (event: SlipwayEvent) => {
      if (event.type === 'compress.done' && !event.remembered) compressed.push(event.digest);
    };
    graphs.push(
      await compressLayers(graphOf(store, root, 'raw'), { settings: GZIP, store, table, emit }),
    );
  }
  const roots = await Promise.all(graphs.map((graph) => graph.root()));
  assert.equal(new Set(roots.map(({ digest }) => digest)).size, 1);
  assert.equal(compressed.length, 3);
  assert.equal(new Set(compressed).size, 3);
  // Also what was waited for can be read.
  for (const { pending } of graphs) {
    for (const layer of pending) {
      const { digest } = await layer.make();
      const parts = [];
      for await (const chunk of layer.open(0)) parts.push(chunk);
      assert.equal(digestOf(Buffer.concat(parts)), digest);
    }
  }
});

test('processes that are killed leave a bounded number of files', async (t) => {
  const dir = await tempDir(t);
  const at = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  const program = `
    const { createCompressionTable } = await import(${at('../../src/state/compressions.ts')});
    const { openHints } = await import(${at('../../src/state/hints.ts')});
    const { digestOf } = await import(${at('../../src/oci/digest.ts')});
    const table = createCompressionTable(openHints(${JSON.stringify(dir)}), ${JSON.stringify(dir)});
    for (let layer = 0; layer < 600; layer++) {
      await Promise.race([
        new Promise((begun) => table.alone(digestOf(String(layer)), { format: 'gzip' }, () => {
          begun();
          return new Promise(() => {});
        })),
        new Promise((resolve) => setTimeout(resolve, 1)),
      ]);
    }
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [, signal] = await once(child, 'exit');
  assert.equal(signal, 'SIGKILL');
  const files = (await readdir(dir)).filter((name) => name.startsWith('compress-'));
  assert.ok(files.length > 0 && files.length <= 256, `${files.length} files`);
});
