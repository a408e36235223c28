import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, type TestContext, test } from 'node:test';
import { encrypt } from '../../src/jet/encryption.ts';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { importBase } from '../rig/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { startPodmanService } from '../rig/podman.ts';
import { PODMAN_BASE, preparePodmanWithBase } from '../rig/podman-base.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { writeProject } from './project.ts';

const KEY = Buffer.alloc(32, 7);

/** An engine that builds, with an image to build on. */
interface Builder {
  readonly base: string;
  /** flags of RUN: some engines have no network for commands */
  readonly flags?: string;
  readonly slipway: CommandLine;
  /** Removes what the engine has of builds. */
  forget(): Promise<void>;
}

/** What is read of a manifest, or of an index. */
interface RawManifest {
  readonly layers?: readonly { readonly digest: string }[];
  readonly manifests?: readonly { readonly digest: string }[];
}

/** Builds by one engine, and why its tests are skipped. */
const ENGINES: Readonly<Record<string, readonly [() => Promise<Builder>, string | false]>> = {
  "Docker's classic builder": [() => docker(), missingEngine('dockerd', 'docker', 'busybox')],
  'BuildKit over the classic store': [
    () => docker('classic'),
    missingNewerDocker() || (!LONG && 'a long run'),
  ],
  "BuildKit over containerd's store": [() => docker('containerd'), missingNewerDocker()],
  Podman: [podman, missingEngine('podman', 'busybox', 'runc')],
};

async function docker(newer?: 'classic' | 'containerd'): Promise<Builder> {
  const engine = await startDockerd(THIS_FILE, newer === undefined ? {} : { newer });
  const { DOCKER_HOST = '', DOCKER_CONFIG = '', PATH = process.env.PATH ?? '' } = engine.env;
  await importBase(THIS_FILE, engine);
  return {
    base: 'base',
    ...(newer === undefined ? {} : { flags: '--network=none' }),
    // Of docker's settings its plugins: it knows no login.
    slipway: await prepareCommandLine(THIS_FILE, { DOCKER_HOST, DOCKER_CONFIG, PATH }),
    async forget() {
      if (newer !== undefined) await engine.docker('buildx', 'prune', '--all', '--force');
      const all = await engine.docker('images', '--all', '--format', '{{.ID}} {{.Repository}}');
      for (const line of all.split('\n')) {
        const [id = '', repository] = line.split(' ');
        if (id !== '' && repository !== 'base') await engine.tryDocker('rmi', '--force', id);
      }
      await engine.docker('image', 'prune', '--force');
    },
  };
}

async function podman(): Promise<Builder> {
  const engine = await preparePodmanWithBase(THIS_FILE);
  const tar = path.join(await tempDir(THIS_FILE), 'base.tar');
  await engine.podman('save', '--output', tar, PODMAN_BASE);
  const DOCKER_HOST = await startPodmanService(THIS_FILE, engine);
  return {
    base: PODMAN_BASE,
    slipway: await prepareCommandLine(THIS_FILE, { DOCKER_HOST }),
    async forget() {
      await engine.podman('rmi', '--all', '--force');
      await engine.podman('load', '--input', tar);
    },
  };
}

for (const [name, [start, missing]] of Object.entries(ENGINES)) {
  const skip = missing || missingEngine('docker-registry', 'htpasswd');
  suite(`caches in a registry, with ${name}`, { skip }, () => {
    let builder: Builder;

    before(async () => {
      builder = await start();
    });

    test('what a cached service pushed is the cache of the next build on another machine', async (t) => {
      // Podman copies whole file systems here, which takes its time.
      await tryCache(t, builder, { isWhole: LONG || name !== 'Podman' });
    });
  });
}

async function tryCache(
  t: TestContext,
  { base, flags = '', slipway, forget }: Builder,
  { isWhole }: { readonly isWhole: boolean },
) {
  const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-5' } });
  const auth = Buffer.from('me:pass-word-5').toString('base64');
  const config = JSON.stringify({ auths: { [host]: { auth } } });
  const dir = await writeProject(t, {
    'codeship-services.yml': `app: {build: {image: ${host}/team/app}, cached: true, encrypted_dockercfg_path: cfg}`,
    'codeship-steps.yml': `- {service: app, type: push, image_name: ${host}/team/app, encrypted_dockercfg_path: cfg}`,
    cfg: encrypt(Buffer.from(config), KEY, 'jet'),
    'codeship.aes': KEY.toString('base64'),
    Dockerfile: `FROM ${base}\nENV A=1\nRUN ${flags} cat /proc/sys/kernel/random/uuid > /id\nCOPY file /file\n`,
    file: 'one\n',
  });
  const creds = ['--creds', 'me:pass-word-5'];
  const layerOf = async (...words: string[]) => {
    // Another home: another machine's store.
    const env = { SLIPWAY_HOME: await tempDir(t) };
    const steps = ['jet', 'steps', '--push', '--dir', dir, ...words];
    const { code, stdout, stderr } = await slipway.run(steps, undefined, env);
    assert.equal(code, 0, stdout + stderr);
    assert.doesNotMatch(stderr, /is built without|is no cache/);
    const { layers = [] } = await raw(`${host}/team/app`);
    await forget();
    return layers[1]?.digest ?? '';
  };
  const tags = async () => (await slipway.must(['ls', ...creds, `${host}/team/app`])).join('\n');
  const raw = async (reference: string): Promise<RawManifest> =>
    JSON.parse((await slipway.must(['inspect', '--raw', ...creds, reference])).join('\n'));
  const first = await layerOf('--ci-branch', 'master');
  // Steps that stand beside the image have no layers of their own: nothing is sent for them.
  const { layers = [] } = await raw(`${host}/team/app`);
  const { manifests = [] } = await raw(`${host}/team/app:codeship-cache-master`);
  const known = layers.map(({ digest }) => digest);
  for (const { digest } of manifests) {
    const step = await raw(`${host}/team/app@${digest}`);
    for (const layer of step.layers ?? []) assert.ok(known.includes(layer.digest));
  }
  assert.match(await tags(), /^codeship-cache-master /m);
  await writeFile(path.join(dir, 'file'), 'two\n');
  assert.equal(await layerOf('--ci-branch', 'feature/x'), first);
  assert.match(await tags(), /^codeship-cache-featurex /m);
  if (isWhole) assert.notEqual(await layerOf('--ci-branch', 'master', '--no-cache'), first);
}
