import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { buildTestImage, importBase } from '../rig/images.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { type Podman, preparePodman } from '../rig/podman.ts';
import { missingEngine, mustRun } from '../rig/programs.ts';
import { skopeoCopy, skopeoInspect } from '../rig/skopeo.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missingEngine(
  'dockerd',
  'docker',
  'docker-registry',
  'podman',
  'buildah',
  'skopeo',
  'umoci',
  'zstd',
);

suite('images of real engines go into real registries', { skip }, () => {
  let folder: string;
  let engine: Docker;
  let podman: Podman;
  let slipway: Slipway;
  /** Debian's registry and the embedded one */
  let hosts: readonly string[];
  let archive: string;
  /** what docker-registry holds after the plain push; all others must be equal */
  let digest: string;

  before(async () => {
    folder = await tempDir(THIS_FILE);
    slipway = await prepareSlipway(THIS_FILE);
    engine = await startDockerd(THIS_FILE);
    podman = await preparePodman(THIS_FILE);
    hosts = [(await startDockerRegistry(THIS_FILE)).host, await slipway.serve()];
    await importBase(THIS_FILE, engine);
    await buildTestImage(THIS_FILE, engine, 'app:1', 'hello from app');
    archive = path.join(folder, 'app.tar');
    await engine.docker('save', '-o', archive, 'app:1');
    digest = await push(`docker-archive:${archive}`, 'plain:1');
  });

  /** Pushes to both registries and gives the one digest that both hold, as skopeo sees it too. */
  async function push(
    from: string,
    name: string,
    { flags = [], stdin = '' }: { flags?: readonly string[]; stdin?: Uint8Array | string } = {},
  ): Promise<string> {
    const references = hosts.map((host) => `${host}/${name}`);
    const lines = await slipway.must(['push', ...flags, '--from', from, ...references], { stdin });
    const found = new Set<string>();
    for (const reference of references) {
      const { Digest } = await skopeoInspect(reference);
      const repository = reference.slice(0, reference.lastIndexOf(':'));
      assert.ok(
        lines.some((line) => line.startsWith(repository) && line.endsWith(`@${Digest}`)),
        `${reference}@${Digest} isn't in ${lines.join(' ')}`,
      );
      found.add(Digest);
    }
    assert.equal(found.size, 1);
    return [...found].join();
  }

  test('docker save: docker pulls it back and runs it, skopeo agrees on the digest', async (t) => {
    for (const host of hosts) {
      const name = `${host}/plain:1`;
      const pulled = await engine.docker('pull', name);
      assert.match(pulled, new RegExp(digest));
      assert.equal(await engine.docker('run', '--rm', '--network=none', name), 'hello from app');
      const id = (reference: string) =>
        engine.docker('image', 'inspect', '--format', '{{.Id}}', reference);
      assert.equal(await id(name), await id('app:1'));
      await skopeoCopy(`docker://${name}`, `dir:${await tempDir(t)}`);
    }
  });

  test('podman pulls it and runs it', async () => {
    for (const host of hosts) {
      await podman.podman('pull', '--quiet', '--tls-verify=false', `${host}/plain@${digest}`);
      const output = await podman.podman(
        'run',
        '--rm',
        '--network=none',
        `${host}/plain@${digest}`,
      );
      assert.equal(output, 'hello from app');
    }
  });

  test('.tar.gz, .tar.zst and standard input give the same digest', async () => {
    await mustRun('gzip', ['--keep', archive]);
    await mustRun('zstd', ['--quiet', '--keep', archive]);
    for (const [from, name, stdin] of [
      [`docker-archive:${archive}.gz`, 'gz:1'],
      [`docker-archive:${archive}.zst`, 'zst:1'],
      ['docker-archive:-', 'stdin:1', await readFile(archive)],
      ['docker-archive:-', 'stdin-gz:1', await readFile(`${archive}.gz`)],
    ] as const) {
      assert.equal(await push(from, name, { stdin: stdin ?? '' }), digest, from);
    }
  });

  test('podman save, in both of its formats', async (t) => {
    await podman.podman('pull', '--quiet', '--tls-verify=false', `${hosts[0]}/plain:1`);
    for (const [format, transport] of [
      ['docker-archive', 'docker-archive'],
      ['oci-archive', 'oci-archive'],
    ] as const) {
      const file = path.join(await tempDir(t), 'podman.tar');
      const image = `${hosts[0]}/plain:1`;
      await podman.podman('save', '--quiet', '--format', format, '-o', file, image);
      const pushed = await push(`${transport}:${file}`, `podman-${format}:1`);
      for (const host of hosts) {
        await runsWithDocker(`${host}/podman-${format}@${pushed}`);
      }
    }
  });

  test('a layout of skopeo keeps its digest', async (t) => {
    const layout = await tempDir(t);
    await skopeoCopy(`docker://${hosts[0]}/plain:1`, `oci:${layout}:v1`);
    const pushed = await push(`oci:${layout}:v1`, 'skopeo-layout:1');
    assert.equal(pushed, await namedDigest(layout, 'v1'));
    await runsWithDocker(`${hosts[1]}/skopeo-layout:1`);
  });

  test('a layout of buildah is compressed on the way, or kept if asked', async (t) => {
    const buildah = (...args: string[]) => mustRun('buildah', args, { env: podman.env });
    const container = await buildah('from', '--tls-verify=false', `${hosts[0]}/plain:1`);
    await buildah('config', '--label', 'made.by=buildah', container);
    const layout = await tempDir(t);
    await buildah('commit', '--quiet', '--format=oci', container, `oci:${layout}:v2`);
    const from = `oci:${layout}:v2`;
    assert.notEqual(await push(from, 'buildah:1'), await namedDigest(layout, 'v2'));
    await runsWithDocker(`${hosts[1]}/buildah:1`);
    const kept = await push(from, 'buildah-kept:1', { flags: ['--compression', 'keep'] });
    assert.equal(kept, await namedDigest(layout, 'v2'));
    await runsWithDocker(`${hosts[0]}/buildah-kept:1`);
  });

  test('umoci unpacks a layout that slipway wrote', async (t) => {
    const layout = path.join(await tempDir(t), 'layout');
    await slipway.must(['copy', `docker://${hosts[0]}/plain:1`, `oci:${layout}:v1`]);
    assert.equal(await namedDigest(layout, 'v1'), digest);
    const bundle = path.join(await tempDir(t), 'bundle');
    await mustRun('umoci', ['unpack', '--image', `${layout}:v1`, bundle]);
    const text = await readFile(path.join(bundle, 'rootfs/text'), 'utf8');
    assert.equal(text, 'hello from app\n');
  });

  test('what slipway saves, docker and podman load and run', async (t) => {
    const name = `${hosts[0]}/plain:1`;
    await slipway.must(['pull', name]);
    const file = await newFile(t);
    await slipway.must(['save', '-o', file, name]);
    await engine.docker('image', 'rm', '-f', name);
    await engine.docker('load', '-i', file);
    await runsWithDocker(name);
    const other = await preparePodman(t);
    await other.podman('load', '--quiet', '-i', file);
    assert.equal(await other.podman('run', '--rm', '--network=none', name), 'hello from app');
  });

  async function runsWithDocker(name: string): Promise<void> {
    if ((await engine.tryDocker('image', 'inspect', name)).code !== 0) {
      await engine.docker('pull', '--quiet', name);
    }
    assert.equal(await engine.docker('run', '--rm', '--network=none', name), 'hello from app');
  }
});

async function newFile(owner: Owner): Promise<string> {
  return path.join(await tempDir(owner), 'image.tar');
}

/** The digest that a name has in a layout's `index.json`. */
async function namedDigest(layout: string, name: string): Promise<string | undefined> {
  const index: { manifests: { digest: string; annotations?: Record<string, string> }[] } =
    JSON.parse(await readFile(path.join(layout, 'index.json'), 'utf8'));
  return index.manifests.find(
    ({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] === name,
  )?.digest;
}
