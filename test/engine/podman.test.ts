import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { busyboxRoot } from '../rig/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { type Podman, preparePodman, startPodmanService } from '../rig/podman.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missingEngine('podman', 'docker-registry', 'busybox');

suite("images of Podman's service", { skip }, () => {
  let podman: Podman;
  let slipway: CommandLine;
  let registry: string;
  let env: Readonly<Record<string, string>>;

  before(async () => {
    podman = await preparePodman(THIS_FILE);
    registry = (await startDockerRegistry(THIS_FILE)).host;
    env = { DOCKER_HOST: await startPodmanService(THIS_FILE, podman) };
    slipway = await prepareCommandLine(THIS_FILE, env);
    const context = await tempDir(THIS_FILE);
    const root = await busyboxRoot(THIS_FILE);
    await writeFile(path.join(root, 'text'), 'hello from app\n');
    const dockerfile = path.join(context, 'Dockerfile');
    await writeFile(dockerfile, 'FROM scratch\nCOPY . /\nCMD ["/bin/cat", "/text"]\n');
    await podman.podman('build', '--quiet', '--tag', 'app', '--file', dockerfile, root);
  });

  const program = (...args: readonly string[]) => slipway.program.must(args, { env });
  const must = (...args: readonly string[]) => slipway.must(args);

  test('podman build, then slipway tag and slipway push: podman pulls it by the digest', async () => {
    await must('tag', 'app', `${registry}/app:1`);
    const [reference = ''] = await must('push', '-q', `${registry}/app:1`);
    assert.match(reference, /@sha256:[0-9a-f]{64}$/);
    await podman.podman('pull', '--quiet', '--tls-verify=false', reference);
    const idOf = (name: string) => podman.podman('image', 'inspect', '--format', '{{.Id}}', name);
    assert.equal(await idOf(reference), await idOf('app'));
    const said = await podman.podman('run', '--rm', '--network=none', reference);
    assert.equal(said, 'hello from app');
  });

  test('a short name means what podman means by it', async () => {
    const found = new Set<string>();
    for (const [at, from] of [
      'app',
      'docker-daemon:app:latest',
      'docker-daemon:localhost/app',
    ].entries()) {
      found.add((await must('push', '-q', '--from', from, `${registry}/found:${at}`)).join());
    }
    assert.equal(found.size, 1, [...found].join(' '));
  });

  test('images shows them with their platform', async () => {
    const rows = await must(
      'images',
      '--format',
      '{{.Engine}}|{{.Repository}}:{{.Tag}}|{{.Platform}}',
    );
    assert.ok(rows.includes('podman|localhost/app:latest|linux/amd64'), rows.join('\n'));
  });

  test('what is copied into it runs there', async () => {
    await must('push', '-q', '--from', 'app', `${registry}/there:1`);
    await must('copy', '-q', `docker://${registry}/there:1`, 'docker-daemon:brought:7');
    const said = await podman.podman('run', '--rm', '--network=none', 'brought:7');
    assert.equal(said, 'hello from app');
  });

  test('CONTAINER_HOST names it too', async () => {
    const host = { DOCKER_HOST: '', CONTAINER_HOST: env.DOCKER_HOST ?? '' };
    const [line = ''] = await slipway.program.must(
      ['push', '-q', '--from', 'app', `${registry}/c:1`],
      {
        env: host,
      },
    );
    assert.match(line, /\/c@sha256:/);
  });

  test('a command runs, with its status, and no container stays', async () => {
    await must('copy', '-q', 'docker-daemon:app', 'kept:1');
    assert.deepEqual(await program('run', '-q', '--network=none', 'kept:1'), ['hello from app']);
    const words = ['run', '-q', '--network=none', 'kept:1', '/bin/sh', '-c', 'echo no >&2; exit 7'];
    const failed = await slipway.program.run(words, { env });
    assert.equal(failed.code, 20);
    assert.match(failed.stderr, /^no\n.*ended with status 7/s);
    const missing = await slipway.program.run(['run', '-q', '--network=none', 'kept:1', 'nope'], {
      env,
    });
    assert.equal(missing.code, 20);
    assert.match(missing.stderr, /couldn't start the command: .*nope/);
    assert.equal(await podman.podman('ps', '--all', '--quiet'), '');
  });
});
