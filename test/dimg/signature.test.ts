import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProject } from '../../src/dimg/project.ts';
import { checksum, stageSignature } from '../../src/dimg/signature.ts';
import { stagesOf } from '../../src/dimg/stages.ts';

async function signatures(text: string): Promise<Readonly<Record<string, string>>> {
  const [image] = parseProject('werf.yaml', text).images;
  assert.ok(image);
  const signed: Record<string, string> = {};
  let previous: string | undefined;
  const gitOf = (): never => assert.fail('no files of git are taken');
  for (const { name, dependencies } of stagesOf(image, { signatureOf: () => 'x', gitOf })) {
    previous = stageSignature(previous, (await dependencies(new Map())) ?? []);
    signed[name] = previous;
  }
  return signed;
}

test('signatures are those of werf', async () => {
  const text = `
dimg: ~
from: ubuntu:16.04
shell:
  beforeInstall:
  - apt-get update
  - apt-get install -y curl --quiet
  install:
  - apt-get install -y non-existing
`;
  assert.deepEqual(await signatures(text), {
    from: '41772c141b158349804ad27b354247df8984ead077a5dd601f3940536ebe9a11',
    before_install: '8f8307adb4d2434822cdbb44950868b1a312d1a0e536ae54debff9640f371645',
    install: '1c0aca95f86933173709388f4f75cdc50e210a861d3e85193f14556bf4a798f8',
  });
});

test('what a stage is made of decides its signature, and those above it', async () => {
  const text = (cacheVersion: string, mount: string) => `
dimg: ~
from: a
fromCacheVersion: 1
mount: [{ from: ${mount}, to: /x }]
shell: { beforeInstall: a, install: b, installCacheVersion: ${cacheVersion}, setup: c }
docker: { CMD: x }`;
  const one = await signatures(text('1', 'tmp_dir'));
  const two = await signatures(text('2', 'tmp_dir'));
  assert.deepEqual(Object.keys(one), [
    'from',
    'before_install',
    'install',
    'setup',
    'docker_instructions',
  ]);
  const same = Object.keys(one).filter((name) => one[name] === two[name]);
  assert.deepEqual(same, ['from', 'before_install']);
  const other = await signatures(text('1', '/tmp'));
  assert.ok(Object.keys(one).every((name) => one[name] !== other[name]));
});

test('lists are flat in a checksum, and what is missing is left out', () => {
  assert.equal(checksum(['a', ['b', undefined]], 'c'), checksum('a', 'b', 'c'));
});
