import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { testRegistry } from '../content/places.ts';
import { htpasswd } from '../rig/docker-registry.ts';
import { missing } from '../rig/programs.ts';
import { fileOf } from './archives.ts';
import { multiLayout, prepare } from './scene.ts';

test('inspect shows manifest and config as they are', async (t) => {
  const { must, run, host, archive, repository } = await prepare(t);
  await must(['push', '-q', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
  const { digest, size } = await repository('app').resolve('1');
  const raw = await run(['inspect', '--raw', `${host}/app:1`]);
  assert.equal(raw.stdout.length, size);
  const config = JSON.parse((await must(['inspect', '--config', `${host}/app:1`])).join('\n'));
  assert.deepEqual(config.config, { Cmd: ['/app'] });
  const shown = JSON.parse((await must(['inspect', `docker://${host}/app@${digest}`])).join('\n'));
  assert.equal(shown.digest, digest);
  assert.equal(shown.platform, 'linux/amd64');
  assert.deepEqual(shown.layers, JSON.parse(raw.stdout).layers);
  const inArchive = JSON.parse((await must(['inspect', `docker-archive:${archive}`])).join('\n'));
  assert.equal(inArchive.layers.length, 2);
});

test('ls --digests shows manifests without a tag, as JSON for programs', async (t) => {
  const { must, host } = await prepare(t);
  const { dir, index, images } = await multiLayout(t);
  await must(['push', '-q', '--from', `oci:${dir}:multi`, `${host}/app:1`]);
  const { imageIds } = JSON.parse(
    (await must(['ls', '--digests', '--json', `${host}/app`])).join('\n'),
  );
  assert.deepEqual(imageIds, [
    { imageDigest: index.digest, imageTag: '1' },
    ...images.map(({ digest }) => ({ imageDigest: digest })),
  ]);
  assert.deepEqual(await must(['ls', '--digests', `docker://${host}/app`]), [
    `DIGEST${' '.repeat(65)}   TAG`,
    `${index.digest}   1`,
    ...images.map(({ digest }) => `${digest}   <none>`),
  ]);
  const { tags, repository } = JSON.parse((await must(['ls', '--json', `${host}/app`])).join('\n'));
  assert.equal(repository, `${host}/app`);
  assert.deepEqual(
    tags.map(({ tag, digest }: { tag: string; digest: string }) => [tag, digest]),
    [['1', index.digest]],
  );
});

test('verify counts what it proved, and push --verify reads back', async (t) => {
  const { must, run, host, archive, repository, lines, requests } = await prepare(t);
  await must(['push', '-q', '--verify', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
  assert.ok(lines('GET').some((line) => line.includes('/manifests/')));
  const { digest } = await repository('app').resolve('1');
  const { stdout, stderr } = await run(['verify', `${host}/app:1`]);
  assert.equal(stdout, `${host}/app@${digest}\n`);
  assert.match(stderr, /1 manifest and 3 blobs, .*: all of it is there/);
  requests.length = 0;
  const deep = JSON.parse((await must(['verify', '--deep', '--json', `${host}/app:1`])).join('\n'));
  assert.deepEqual(
    { ...deep, bytes: 0 },
    { name: `${host}/app:1`, digest, manifests: 1, blobs: 3, bytes: 0, deep: true },
  );
  const read = () => lines('GET').filter((line) => line.includes('/blobs/')).length;
  // The registry tells of a request a moment after all of its answer is gone.
  for (let waits = 0; read() < 4 && waits < 500; waits++) await delay(10);
  assert.equal(read(), 4);
});

test('a config.json with a password opens a registry that wants one', {
  skip: missing('htpasswd'),
}, async (t) => {
  const { run, must, knowPasswords, archive } = await prepare(t);
  const users = await fileOf(t, 'htpasswd', Buffer.from(await htpasswd({ me: 'pass:word' })));
  const { registry } = await testRegistry(t, { htpasswd: users });
  const push = ['push', '-q', '--from', `docker-archive:${archive}`, `${registry.host}/app:1`];
  const anonymous = await run(push);
  assert.equal(anonymous.code, 10);
  assert.match(anonymous.stderr, /hint: .*login/);
  await knowPasswords({ [registry.host]: 'me:wrong-secret' });
  const wrong = await run(push);
  assert.equal(wrong.code, 10);
  assert.doesNotMatch(wrong.stderr + wrong.stdout, /wrong-secret|bWU6d3Jv/);
  await knowPasswords({ [registry.host]: 'me:pass:word' });
  await must(push);
  await must(['pull', '-q', `${registry.host}/app:1`]);
  await must(['ls', `${registry.host}/app`]);
});

test('pull gives images the names of their references, by digest too', async (t) => {
  const { must, host, archive, repository } = await prepare(t);
  await must(['push', '-q', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
  const { digest } = await repository('app').resolve('1');
  assert.deepEqual(await must(['pull', '-q', `${host}/app:1`]), [`${host}/app@${digest}`]);
  await must(['rmi', `${host}/app:1`]);
  assert.deepEqual(await must(['pull', '-q', `docker://${host}/app@${digest}`]), [
    `${host}/app@${digest}`,
  ]);
  await must(['tag', `${host}/app@${digest}`, 'mine:1']);
  assert.deepEqual(await must(['images', '--format', '{{.Repository}} {{.Tag}}', 'mine']), [
    'mine 1',
  ]);
});
