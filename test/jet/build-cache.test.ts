import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { encrypt } from '../../src/jet/encryption.ts';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { importBase } from '../rig/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { writeProject } from './project.ts';

const KEY = Buffer.alloc(32, 7);

/** Each engine, and why its tests are skipped. */
const ENGINES = {
  "Docker's classic builder": [undefined, missingEngine('dockerd', 'docker', 'busybox')],
  'BuildKit over the classic store': ['classic', missingNewerDocker()],
  "BuildKit over containerd's store": ['containerd', missingNewerDocker()],
} as const;

for (const [name, [newer, missing]] of Object.entries(ENGINES)) {
  const skip = missing || missingEngine('docker-registry', 'htpasswd');
  // These engines have no network for commands.
  const flags = newer === undefined ? '' : '--network=none';
  suite(`caches in a registry, with ${name}`, { skip }, () => {
    let docker: Docker;
    let slipway: CommandLine;

    before(async () => {
      docker = await startDockerd(THIS_FILE, newer === undefined ? {} : { newer });
      const { DOCKER_HOST = '', DOCKER_CONFIG = '', PATH = process.env.PATH ?? '' } = docker.env;
      // Of docker's settings its plugins: it knows no login.
      slipway = await prepareCommandLine(THIS_FILE, { DOCKER_HOST, DOCKER_CONFIG, PATH });
      await importBase(THIS_FILE, docker);
    });

    /** Removes what the engine has of builds. */
    const forget = async () => {
      if (newer !== undefined) await docker.docker('buildx', 'prune', '--all', '--force');
      const all = await docker.docker('images', '--all', '--format', '{{.ID}} {{.Repository}}');
      for (const line of all.split('\n')) {
        const [id = '', repository] = line.split(' ');
        if (id !== '' && repository !== 'base') await docker.tryDocker('rmi', '--force', id);
      }
      await docker.docker('image', 'prune', '--force');
    };

    test('what a cached service pushed is the cache of the next build on another machine', async (t) => {
      const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-5' } });
      const auth = Buffer.from('me:pass-word-5').toString('base64');
      const config = JSON.stringify({ auths: { [host]: { auth } } });
      const dir = await writeProject(t, {
        'codeship-services.yml': `app: {build: {image: ${host}/team/app}, cached: true, encrypted_dockercfg_path: cfg}`,
        'codeship-steps.yml': `- {service: app, type: push, image_name: ${host}/team/app, encrypted_dockercfg_path: cfg}`,
        cfg: encrypt(Buffer.from(config), KEY, 'jet'),
        'codeship.aes': KEY.toString('base64'),
        Dockerfile: `FROM base\nRUN ${flags} cat /proc/sys/kernel/random/uuid > /id\nCOPY file /file\n`,
        file: 'one\n',
      });
      const creds = ['--creds', 'me:pass-word-5'];
      const layerOf = async (...words: string[]) => {
        // Another home: another machine's store.
        const env = { SLIPWAY_HOME: await tempDir(t) };
        const steps = ['jet', 'steps', '--push', '--dir', dir, ...words];
        const { code, stdout, stderr } = await slipway.run(steps, undefined, env);
        assert.equal(code, 0, stdout + stderr);
        assert.doesNotMatch(stderr, /is built without/);
        const [digest = ''] = /sha256:[0-9a-f]{64}/.exec(stdout) ?? [];
        const raw = ['inspect', '--raw', ...creds, `${host}/team/app@${digest}`];
        const { layers } = JSON.parse((await slipway.must(raw)).join('\n'));
        await forget();
        return (layers as { digest: string }[])[1]?.digest ?? '';
      };
      const tags = async () =>
        (await slipway.must(['ls', ...creds, `${host}/team/app`])).join('\n');
      const first = await layerOf('--ci-branch', 'master');
      assert.match(await tags(), /^codeship-cache-master /m);
      await writeFile(path.join(dir, 'file'), 'two\n');
      assert.equal(await layerOf('--ci-branch', 'feature/x'), first);
      assert.match(await tags(), /^codeship-cache-featurex /m);
      assert.notEqual(await layerOf('--ci-branch', 'master', '--no-cache'), first);
    });
  });
}
