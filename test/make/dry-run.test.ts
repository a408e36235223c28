import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { testRegistry } from '../content/places.ts';
import { prepareMake } from './scene.ts';

test('a dry run of each target shows what it would do, and does nothing', async (t) => {
  const { registry, repository, lines } = await testRegistry(t);
  const { host } = registry;
  const scene = await prepareMake(t, { REGISTRY: host, ORGNAME: 'me', ARCH: 'x86_64' });
  const { folder, mustMake, must } = scene;
  const image = `${host}/me/alpine-base:x86_64`;
  await writeFile(path.join(folder, 'Dockerfile'), 'FROM scratch\nCOPY a /a\n');
  await writeFile(path.join(folder, 'a'), 'a');
  const words = ['OSVERSION=1', 'BUILDDATE=20250102'];
  assert.deepEqual(await mustMake('build', '--dry-run', ...words), [`${image} from Dockerfile`]);
  assert.equal((await must(['images'])).length, 1, 'only the heading');
  await mustMake('build', ...words);
  const plan = await mustMake('push', '--dry-run', ...words);
  assert.deepEqual(plan.slice(0, 3), [image, `${image}_1`, `${image}_1_20250102`]);
  assert.match(plan.join('\n'), /tag +x86_64_1_20250102 +new: sha256:/);
  assert.deepEqual(lines('PUT'), []);
  assert.deepEqual(lines('POST'), []);
  await mustMake('push', ...words, 'BUILDDATE=20250101');
  await mustMake('build', ...words, 'BUILDNUMBER=2');
  await mustMake('push', ...words);
  const before = await repository('me/alpine-base').resolve('x86_64');
  const written = lines('PUT').length;
  assert.deepEqual(
    await mustMake('annotate_latest', '--dry-run', 'SKIP_armhf=1', 'SKIP_armv7l=1'),
    [`${host}/me/alpine-base:latest`, image, `${host}/me/alpine-base:aarch64`],
  );
  const back = await mustMake('rollback', '--dry-run');
  assert.match(back.join('\n'), / x86_64 +moves from sha256:/);
  assert.deepEqual(await mustMake('pull', '--dry-run', 'TAGSRC=x86_64_1'), [
    `${image}_1 -> ${image}`,
  ]);
  assert.deepEqual(await mustMake('test', '--dry-run', 'TESTCMD=true'), [`${image}: true`]);
  assert.deepEqual(await mustMake('clean', '--dry-run'), [image]);
  assert.equal((await must(['images'])).filter((line) => line.includes(' x86_64 ')).length, 1);
  assert.equal(lines('PUT').length, written);
  assert.deepEqual(await repository('me/alpine-base').resolve('x86_64'), before);
  const json = JSON.parse(
    (await mustMake('push', '--dry-run', '--format', 'json', ...words)).join(''),
  );
  assert.equal(json.destinations.length, 1);
});

test('a registry of config.toml is spoken to as that says', async (t) => {
  const { folder, make } = await prepareMake(t, { ARCH: 'x86_64', OSVERSION: '1' });
  const { registry, lines } = await testRegistry(t);
  await writeFile(path.join(folder, 'Dockerfile'), `FROM ${registry.host}/base:1\nCOPY a /a\n`);
  await writeFile(path.join(folder, 'a'), 'a');
  const toml = `debug = true\n[registry."docker.io"]\n  mirrors = ["x"]\n[registry."${registry.host}"]\n  http = true\n[other]\n  insecure = true\n`;
  await writeFile(path.join(folder, 'config.toml'), toml);
  const { code, stderr } = await make('build');
  assert.match(stderr, new RegExp(`warning: ${registry.host} is spoken to without encryption`));
  assert.doesNotMatch(stderr, /certificate of/);
  assert.notEqual(code, 0, 'there is no such base');
  assert.ok(
    lines().some((line) => line.includes('/v2/base/manifests/1')),
    lines().join('\n'),
  );
});
