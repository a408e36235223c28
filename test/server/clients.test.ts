import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { hash } from 'bcryptjs';
import { digestOfJson, pushImage, startRig, temporaryFolder } from './rig.ts';

const run = promisify(execFile);

/** True if a program is here; where it isn't the test is skipped, and fails in CI. */
async function hasProgram(t: TestContext, ...programs: readonly string[]): Promise<boolean> {
  for (const program of programs) {
    try {
      await run(program, ['--version']);
    } catch (error) {
      if (process.env.CI !== undefined) throw error;
      t.skip(`${program} is not installed`);
      return false;
    }
  }
  return true;
}

/** A layout with one image `v1`, made by umoci. */
async function makeLayout(t: TestContext): Promise<{ dir: string; layout: string }> {
  const dir = await temporaryFolder(t);
  const layout = join(dir, 'layout');
  await mkdir(join(dir, 'root'));
  await writeFile(join(dir, 'root/data'), randomBytes(2_000_000));
  await run('umoci', ['init', '--layout', layout]);
  await run('umoci', ['new', '--image', `${layout}:v1`]);
  await run('umoci', ['insert', '--image', `${layout}:v1`, join(dir, 'root'), '/root']);
  return { dir, layout };
}

test('skopeo pushes and pulls, with a login', async (t) => {
  if (!(await hasProgram(t, 'skopeo', 'umoci'))) return;
  const { dir, layout } = await makeLayout(t);
  const htpasswd = join(dir, 'htpasswd');
  await writeFile(htpasswd, `ada:${(await hash('secret', 5)).replace('$2b$', '$2y$')}\n`);
  const storage = join(dir, 'storage');
  const rig = await startRig(t, { htpasswd, storage });
  const image = `docker://${rig.registry.host}/team/app:v1`;
  const skopeo = (...args: readonly string[]) => run('skopeo', args);
  await assert.rejects(
    skopeo('copy', '--dest-tls-verify=false', '--dest-no-creds', `oci:${layout}:v1`, image),
  );
  const creds = 'ada:secret';
  const to = ['copy', '--dest-tls-verify=false', '--dest-creds', creds];
  await skopeo(...to, `oci:${layout}:v1`, image);
  // The layers are known there and are mounted.
  await skopeo(...to, `oci:${layout}:v1`, image.replace('team/app', 'team/other'));
  const back = join(dir, 'back');
  await skopeo('copy', '--src-tls-verify=false', '--src-creds', creds, image, `oci:${back}:v1`);
  const digest = async (name: string, ...args: readonly string[]) =>
    (await skopeo('inspect', ...args, '--format', '{{.Digest}}', name)).stdout.trim();
  const wanted = await digest(`oci:${layout}:v1`);
  assert.equal(await digest(`oci:${back}:v1`), wanted);
  assert.equal(await digest(`oci:${storage}/team/app:v1`), wanted, 'the storage is a layout');
  const asks = ['--tls-verify=false', '--creds', creds];
  const tags = await skopeo('list-tags', ...asks, image.replace(/:v1$/, ''));
  assert.deepEqual(JSON.parse(tags.stdout).Tags, ['v1']);
  await skopeo('delete', ...asks, image);
  await assert.rejects(digest(image, ...asks));
});

test('skopeo copies between two repositories, and as docker manifests', async (t) => {
  if (!(await hasProgram(t, 'skopeo', 'umoci'))) return;
  const { layout } = await makeLayout(t);
  const rig = await startRig(t);
  const image = (name: string) => `docker://${rig.registry.host}/${name}`;
  const tls = ['--src-tls-verify=false', '--dest-tls-verify=false'];
  await run('skopeo', ['copy', ...tls, '-f', 'v2s2', `oci:${layout}:v1`, image('a:1')]);
  await run('skopeo', ['copy', ...tls, '--all', image('a:1'), image('b/c:1')]);
  const [one, two] = await Promise.all([
    rig.ask('GET', '/v2/a/manifests/1'),
    rig.ask('GET', '/v2/b/c/manifests/1'),
  ]);
  assert.equal(one.headers['content-type'], 'application/vnd.docker.distribution.manifest.v2+json');
  assert.ok(one.body.equals(two.body));
});

test('podman pushes, mounts and pulls', async (t) => {
  if (!(await hasProgram(t, 'podman', 'umoci'))) return;
  const { dir } = await makeLayout(t);
  const config = join(dir, 'storage.conf');
  const [runRoot, graphRoot] = [join(dir, 'run'), join(dir, 'graph')];
  await writeFile(
    config,
    `[storage]\ndriver = "vfs"\nrunroot = "${runRoot}"\ngraphroot = "${graphRoot}"\n`,
  );
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: config };
  const podman = (...args: readonly string[]) => run('podman', args, { env, cwd: dir });
  const rig = await startRig(t);
  const name = `${rig.registry.host}/team/app:v1`;
  // It makes a name of the path, and names are lower case.
  const id = (await podman('pull', '--quiet', 'oci:layout:v1')).stdout.trim();
  await podman('push', '--tls-verify=false', id, name);
  await podman('push', '--tls-verify=false', id, name.replace('team/app', 'team/other'));
  await podman('rmi', '--force', id);
  const pulled = await podman('pull', '--quiet', '--tls-verify=false', name);
  assert.equal(pulled.stdout.trim(), id);
  const absent = podman('pull', '--quiet', '--tls-verify=false', name.replace(':v1', ':v2'));
  await assert.rejects(absent, /manifest unknown|no such manifest/);
});

test('umoci reads what was pushed', async (t) => {
  if (!(await hasProgram(t, 'umoci'))) return;
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const image = await pushImage(rig, 'team/app');
  await rig.put('team/app', 'v1', image);
  const { stdout } = await run('umoci', ['ls', '--layout', join(storage, 'team/app')]);
  assert.deepEqual(stdout.trim().split('\n'), ['v1']);
  const index = JSON.parse(await readFile(join(storage, 'team/app/index.json'), 'utf8'));
  assert.equal(index.manifests[0].digest, digestOfJson(image));
});
