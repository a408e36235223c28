import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { htpasswd } from '../rig/docker-registry.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { buildTestImage, importBase } from '../rig/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { type Podman, preparePodman } from '../rig/podman.ts';
import { missingEngine, run } from '../rig/programs.ts';
import { skopeoCopy, skopeoInspect } from '../rig/skopeo.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missingEngine('dockerd', 'docker', 'podman', 'skopeo', 'htpasswd');

suite('docker, podman and skopeo use the embedded registry', { skip }, () => {
  let engine: Docker;
  let podman: Podman;
  let slipway: Slipway;
  let open: string;
  let closed: string;
  let storage: string;

  before(async () => {
    const folder = await tempDir(THIS_FILE);
    slipway = await prepareSlipway(THIS_FILE);
    engine = await startDockerd(THIS_FILE);
    podman = await preparePodman(THIS_FILE);
    storage = path.join(folder, 'storage');
    const users = path.join(folder, 'htpasswd');
    await writeFile(users, await htpasswd({ tester: 'pass:word' }));
    open = await slipway.serve(['--storage', storage]);
    closed = await slipway.serve(['--htpasswd', users]);
    await importBase(THIS_FILE, engine);
    await buildTestImage(THIS_FILE, engine, 'app:1', 'hello from app');
    await dockerPushes(`${open}/from-docker:1`);
  });

  async function dockerPushes(name: string): Promise<void> {
    await engine.docker('tag', 'app:1', name);
    await engine.docker('push', '--quiet', name);
    await engine.docker('image', 'rm', name);
  }

  async function dockerRuns(name: string): Promise<void> {
    await engine.docker('pull', '--quiet', name);
    assert.equal(await engine.docker('run', '--rm', '--network=none', name), 'hello from app');
  }

  test('docker pushes, pulls and runs', async () => {
    await dockerRuns(`${open}/from-docker:1`);
  });

  test('podman pulls what docker pushed and pushes it back, in both formats', async () => {
    await podman.podman('pull', '--quiet', '--tls-verify=false', `${open}/from-docker:1`);
    for (const format of ['oci', 'v2s2']) {
      const name = `${open}/podman-${format}:1`;
      const flags = ['--quiet', '--tls-verify=false', '--format', format];
      await podman.podman('push', ...flags, `${open}/from-docker:1`, `docker://${name}`);
      await dockerRuns(name);
    }
  });

  test('its storage holds a layout for each repository, readable from the disk', async (t) => {
    const digest = async (name: string) => (await skopeoInspect(`${open}/${name}`)).Digest;
    // skopeo doesn't find manifests of docker's types in a layout.
    const disk = `oci:${storage}/podman-oci:1`;
    await skopeoCopy(disk, `docker://${open}/from-disk:1`, '--preserve-digests');
    assert.equal(await digest('from-disk:1'), await digest('podman-oci:1'));
    await slipway.must(['copy', `oci:${storage}/from-docker:1`, `docker://${open}/ours:1`]);
    assert.equal(await digest('ours:1'), await digest('from-docker:1'));
    await skopeoCopy(`docker://${open}/from-docker:1`, `dir:${await tempDir(t)}`);
  });

  test('nobody gets in without a password, or with a wrong one', async () => {
    const { code } = await engine.tryDocker('pull', `${closed}/app:1`);
    assert.notEqual(code, 0);
    const login = await run('docker', ['login', '-u', 'tester', '--password-stdin', closed], {
      env: engine.env,
      stdin: 'wrong',
    });
    assert.notEqual(login.code, 0);
    await assert.rejects(skopeoInspect(`${closed}/app:1`, 'tester:wrong'));
    const refused = await slipway.run([
      'copy',
      `docker://${open}/from-docker:1`,
      `docker://${closed}/x:1`,
    ]);
    assert.equal(refused.code, 10, refused.stderr);
  });

  test('docker, podman, skopeo and slipway log in, push and pull', async () => {
    const login = ['login', '-u', 'tester', '--password-stdin'];
    const credentials = { stdin: 'pass:word', timeoutMs: 60_000 };
    // With no login at all docker would look for `pass` and take that.
    const config = path.join(engine.env.DOCKER_CONFIG ?? '', 'config.json');
    await writeFile(config, '{"auths":{"none.invalid":{}}}');
    const docker = await run('docker', [...login, closed], { env: engine.env, ...credentials });
    assert.equal(docker.code, 0, docker.stderr);
    await dockerPushes(`${closed}/app:1`);
    await dockerRuns(`${closed}/app:1`);
    const { Digest } = await skopeoInspect(`${closed}/app:1`, 'tester:pass:word');

    const podmanLogin = [...login, '--tls-verify=false', closed];
    const loggedIn = await run('podman', podmanLogin, { env: podman.env, ...credentials });
    assert.equal(loggedIn.code, 0, loggedIn.stderr);
    await podman.podman('pull', '--quiet', '--tls-verify=false', `${closed}/app@${Digest}`);

    await slipway.knowPasswords({ [closed]: 'tester:pass:word' });
    await slipway.must(['copy', `docker://${closed}/app:1`, `docker://${closed}/copied:1`]);
    assert.equal((await skopeoInspect(`${closed}/copied:1`, 'tester:pass:word')).Digest, Digest);
  });
});
