import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { bytesOf } from '../content/images.ts';
import { MAIN } from '../rig/main.ts';
import { dockerArchive, fileOf, layerOf } from './archives.ts';
import { prepare } from './scene.ts';

/** Text of the size of a layer that takes a moment to be compressed. */
const text = (name: string, sizeBytes: number): Buffer =>
  Buffer.from(bytesOf(name, sizeBytes / 2).toString('hex'));

/** The layers that were compressed, by what was told of a push. */
const compressedIn = (told: string): readonly string[] =>
  told
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ type, remembered }) => type === 'compress.done' && remembered === false)
    .map(({ digest }) => String(digest));

test('several tags, registries and runs of one archive compress each layer once', async (t) => {
  const { run, program, host } = await prepare(t);
  const other = await program.serve();
  const file = await fileOf(
    t,
    'app.tar',
    dockerArchive({ layers: [layerOf('one', text('one', 500_000)), layerOf('two', 'two')] }),
  );
  const push = async (...references: readonly string[]) => {
    const args = ['push', '--progress', 'json', '--from', `docker-archive:${file}`, ...references];
    const { code, stderr } = await run(args);
    assert.equal(code, 0, stderr);
    return compressedIn(stderr);
  };
  assert.equal((await push(`${host}/app:1`, `${other}/app:1`)).length, 2);
  for (const references of [[`${host}/app:1`], [`${host}/app:2`], [`${other}/again:1`]]) {
    assert.deepEqual(await push(...references), [], references.join(' '));
  }
});

test('processes that push one archive at the same moment compress each layer once between them', async (t) => {
  const { program, host } = await prepare(t);
  const layers = ['one', 'two', 'three'].map((name) => layerOf(name, text(name, 6_000_000)));
  const file = await fileOf(t, 'app.tar', dockerArchive({ layers }));
  const results = await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      program.run([
        ...['push', '--progress', 'json', '--from', `docker-archive:${file}`],
        `${host}/${name}:1`,
      ]),
    ),
  );
  for (const { code, stderr } of results) assert.equal(code, 0, stderr);
  assert.equal(new Set(results.map(({ stdout }) => stdout.split('@')[1])).size, 1);
  const compressed = results.flatMap(({ stderr }) => compressedIn(stderr));
  assert.equal(compressed.length, 3, compressed.join('\n'));
  assert.equal(new Set(compressed).size, 3);
});

test('who was killed while it compressed a layer holds nobody up', async (t) => {
  const { program, host } = await prepare(t);
  const layers = [layerOf('one', text('one', 8_000_000))];
  const file = await fileOf(t, 'app.tar', dockerArchive({ layers }));
  const args = ['push', '--progress', 'json', '--from', `docker-archive:${file}`];
  const first = spawn(process.execPath, [MAIN, ...args, `${host}/a:1`], {
    env: { PATH: process.env.PATH, ...program.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  first.stderr.on('data', (told) => {
    if (String(told).includes('compress.progress')) first.kill('SIGKILL');
  });
  const [, signal] = await once(first, 'close');
  assert.equal(signal, 'SIGKILL');
  const { code, stderr } = await program.run([...args, `${host}/b:1`]);
  assert.equal(code, 0, stderr);
  assert.equal(compressedIn(stderr).length, 1);
});
