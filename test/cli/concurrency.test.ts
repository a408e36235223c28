import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf } from '../content/images.ts';
import { dockerArchive, fileOf, layerOf } from './archives.ts';
import { prepare } from './scene.ts';

const SHARED = layerOf('shared', bytesOf('shared', 3_000_000));
const archiveOf = (name: string) =>
  dockerArchive({ names: [`${name}:1`], layers: [SHARED, layerOf('own', name)] });

test('loads and pulls into one store at once lose nothing', async (t) => {
  const { program, must, host, archive } = await prepare(t);
  await must(['push', '-q', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
  const files = await Promise.all(
    ['one', 'two', 'three'].map((name) => fileOf(t, `${name}.tar`, archiveOf(name))),
  );
  await Promise.all([
    ...files.map((file) => program.must(['load', '-q', '-i', file])),
    program.must(['pull', '-q', `${host}/app:1`]),
    program.must(['load', '-q', '-i', files[0] as string]),
  ]);
  const names = await must(['images', '--format', '{{.Repository}}:{{.Tag}}']);
  assert.deepEqual(names.toSorted(), [`${host}/app:1`, 'one:1', 'three:1', 'two:1']);
  for (const name of names) await must(['copy', '-q', name, `oci:${program.home}-out:x`]);
});

test('a prune beside pushes takes nothing that they use', async (t) => {
  const { program, must, host, repository } = await prepare(t);
  for (const name of ['one', 'two']) {
    await must(['load', '-q', '-i', await fileOf(t, `${name}.tar`, archiveOf(name))]);
    await must(['tag', `${name}:1`, `${host}/${name}:1`]);
    await must(['rmi', `${name}:1`]);
  }
  const prune = () => program.must(['image', 'prune', '--force']);
  await Promise.all([
    program.must(['push', '-q', `${host}/one:1`]),
    prune(),
    program.must(['push', '-q', `${host}/two:1`]),
    prune(),
  ]);
  for (const name of ['one', 'two']) {
    await repository(name).resolve('1');
    await must(['verify', '--deep', `${host}/${name}:1`]);
  }
  assert.equal((await must(['images', '-q'])).length, 2);
});

test('two pushes of one archive at once publish the same', async (t) => {
  const { program, host } = await prepare(t);
  const from = `docker-archive:${await fileOf(t, 'one.tar', archiveOf('one'))}`;
  const digests = await Promise.all(
    ['a', 'b', 'c'].map(async (name) => {
      const [line] = await program.must(['push', '-q', '--from', from, `${host}/${name}:1`]);
      return line?.split('@')[1];
    }),
  );
  assert.equal(new Set(digests).size, 1);
});
