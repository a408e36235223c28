import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { testRegistry } from '../content/places.ts';
import { type Docker, missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { missingEngine } from '../rig/programs.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

let classic: Promise<Docker> | undefined;

/** One engine for all tests that can share it. */
function classicDocker(): Promise<Docker> {
  classic ??= startDockerd(THIS_FILE);
  return classic;
}

/** A folder with a Dockerfile and a file. */
async function folderOf(owner: Owner, dockerfile: string, text = 'text'): Promise<string> {
  const folder = await tempDir(owner);
  await writeFile(path.join(folder, 'Dockerfile'), dockerfile);
  await writeFile(path.join(folder, 'file'), text);
  return folder;
}

/** Makes an image in Docker whose label tells that it was made there. */
async function makeThere(owner: Owner, { docker }: Docker, name: string): Promise<void> {
  const text = 'FROM scratch\nCOPY file /below\nLABEL made=there\n';
  await docker('build', '-q', '-t', name, await folderOf(owner, text, name));
}

async function labelBelow(slipway: Slipway, name: string): Promise<unknown> {
  const lines = await slipway.must(['image', 'inspect', name]);
  const [{ Config: config }] = JSON.parse(lines.join('\n')) as [{ Config: { Labels?: object } }];
  return (config.Labels as { readonly made?: string } | undefined)?.made;
}

for (const [store, skip, start] of [
  ['the classic store', missingEngine('dockerd', 'docker'), classicDocker],
  [
    "containerd's store",
    missingNewerDocker(),
    (owner: Owner) => startDockerd(owner, { newer: 'containerd' }),
  ],
] as const) {
  test(`a base image that was made in Docker with ${store} is found by the native engine`, {
    skip,
  }, async (t) => {
    const docker = await start(t);
    const slipway = await prepareSlipway(t);
    const { env } = docker;
    const { registry } = await testRegistry(t);
    const name = `${registry.host}/team/base:1`;
    const other = await folderOf(t, 'FROM scratch\nCOPY file /x\nLABEL made=elsewhere\n');
    await slipway.must(['build', '-q', '-t', name, '--push', other]);
    await slipway.must(['rmi', name]);
    const above = await folderOf(t, `FROM ${name}\nCOPY file /above\n`);
    const build = (...more: string[]) =>
      slipway.run(['build', '--engine=native', '-t', 'app', ...more, above], { env });

    await makeThere(t, docker, name);
    const first = await build();
    assert.equal(first.code, 0, first.stderr);
    assert.equal(await labelBelow(slipway, 'app'), 'there');
    assert.equal((await build()).stdout, first.stdout);

    assert.equal((await build('--pull')).code, 0);
    assert.equal(await labelBelow(slipway, 'app'), 'elsewhere');
  });
}

test('a base image that Docker has from a registry comes from there, and from Docker if that is gone', {
  skip: missingEngine('dockerd', 'docker'),
}, async (t) => {
  const docker = await classicDocker();
  const slipway = await prepareSlipway(t);
  const { env } = docker;
  const { registry } = await testRegistry(t);
  const name = `${registry.host}/team/base:1`;
  await makeThere(t, docker, name);
  await docker.docker('push', name);
  const newer = await folderOf(t, 'FROM scratch\nCOPY file /x\nLABEL made=later\n');
  await slipway.must(['build', '-q', '-t', name, '--push', newer]);
  await slipway.must(['rmi', name]);
  const above = await folderOf(t, `FROM ${name}\nCOPY file /above\n`);
  const build = ['build', '--engine=native', '-t', 'app', above];

  assert.equal((await slipway.run(build, { env })).code, 0);
  assert.equal(await labelBelow(slipway, 'app'), 'later');

  await registry.close();
  const { code, stderr } = await slipway.run(build, { env });
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^warning: .*\/team\/base:1 is taken from the running engine: /m);
  assert.equal(await labelBelow(slipway, 'app'), 'there');
  assert.equal((await slipway.run(build)).code, 16);
});

test('--load, and --output type=docker without a file, put an image into the engine', {
  skip: missingEngine('dockerd', 'docker'),
}, async (t) => {
  const docker = await classicDocker();
  const slipway = await prepareSlipway(t);
  const { env } = docker;
  const folder = await folderOf(t, 'FROM scratch\nCOPY file /file\nLABEL made=here\n');
  for (const [at, words] of [['--load'], ['-o', 'type=docker']].entries()) {
    const name = `loaded:${at}`;
    const several = ['--platform', 'linux/amd64,linux/arm64'];
    const build = ['build', '--engine=native', ...several, '-t', name, ...words, folder];
    const { code, stdout, stderr } = await slipway.run(build, { env });
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^docker-daemon:${name}@sha256:[0-9a-f]{64}\n$`));
    const label = await docker.docker('inspect', '-f', '{{.Config.Labels.made}}', name);
    assert.equal(label.trim(), 'here');
  }
  const nameless = await slipway.run(['build', '--load', folder], { env });
  assert.equal(nameless.code, 2);
  assert.match(nameless.stderr, /there is no name to load it under/);
});
