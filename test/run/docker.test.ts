import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connectEngine, type Engine } from '../../src/engine/client.ts';
import { createContainer } from '../../src/run/container.ts';
import { createNetwork, createVolume } from '../../src/run/networks.ts';
import { runContainer } from '../../src/run/run.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { buildTestImage, importBase } from '../rig/images.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { missingEngine, type RunOptions, type RunResult } from '../rig/programs.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missingEngine('dockerd', 'docker', 'busybox');

suite('commands in containers of a running Docker', { skip }, () => {
  let docker: Docker;
  let engine: Engine;
  let slipway: Slipway;
  let env: Readonly<Record<string, string>>;

  before(async () => {
    docker = await startDockerd(THIS_FILE);
    slipway = await prepareSlipway(THIS_FILE);
    env = { DOCKER_HOST: docker.env.DOCKER_HOST ?? '' };
    engine = await connectEngine({ env });
    atEnd(THIS_FILE, () => engine.close());
    await importBase(THIS_FILE, docker);
    await buildTestImage(THIS_FILE, docker, 'app', 'hello from app');
  });

  const run = (words: readonly string[], options: RunOptions = {}): Promise<RunResult> =>
    slipway.run(['run', '-q', '--network=none', '--pull=never', ...words], {
      ...options,
      env: { ...env, ...options.env },
    });
  const containers = () => docker.docker('ps', '--all', '--quiet');

  test('what a command says and how it ends is told; its container is gone', async () => {
    const said = await run(['app']);
    assert.deepEqual(said, { code: 0, stdout: 'hello from app\n', stderr: '' });
    const failed = await run(['base', '/bin/sh', '-c', 'echo out; echo err >&2; exit 7']);
    assert.equal(failed.code, 20);
    assert.equal(failed.stdout, 'out\n');
    assert.match(failed.stderr, /^err\n.*the command ended with status 7/s);
    assert.equal(await containers(), '');
  });

  test('flags are those of docker', async (t) => {
    const folder = await tempDir(t);
    // The command is somebody else.
    await chmod(folder, 0o755);
    await writeFile(path.join(folder, 'seen'), 'from outside\n');
    const list = path.join(folder, 'list');
    await writeFile(list, '# a comment\n\nA=from the file\nB=from the file\nOURS\nNOT_SET\n');
    const script = 'cat /mnt/seen; echo "$A|$B|$C|$OURS|$NOT_SET|$PWD"';
    const words = ['-e', 'B=given', '-e', 'C', '--env-file', list, '-v', `${folder}:/mnt:ro`];
    const more = ['-w', '/tmp', '-u', '65534:65534', '--entrypoint', '/bin/sh', '--name', 'named'];
    const given = { env: { C: 'of ours', OURS: 'too' } };
    const { code, stdout, stderr } = await run([...words, ...more, 'base', '-c', script], given);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'from outside\nfrom the file|given|of ours|too||/tmp\n');
    assert.equal(await containers(), '');
  });

  test('standard input reaches the command, byte by byte, and its end too', async () => {
    const stdin = Buffer.from(Array.from({ length: 200_000 }, (_, at) => ((at * 7) % 95) + 32));
    const { code, stdout } = await run(['-i', 'base', 'cat'], { stdin });
    assert.equal(code, 0);
    assert.equal(stdout, stdin.toString());
    // Who doesn't ask for it doesn't hand it on.
    assert.equal((await run(['base', 'cat'], { stdin: 'no' })).stdout, '');
    const early = await run(['-i', 'base', '/bin/sh', '-c', 'exit 0'], { stdin });
    assert.equal(early.code, 0, early.stderr);
  });

  test('a terminal is given on request, and not to a pipe', async () => {
    const { code, stdout } = await run([
      '-t',
      'base',
      '/bin/sh',
      '-c',
      '[ -t 1 ] && echo terminal',
    ]);
    assert.equal(code, 0);
    assert.equal(stdout, 'terminal\r\n');
    const refused = await run(['-it', 'base', 'cat']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /the input device is not a TTY/);
  });

  test('a command that is not there, a taken name and an image that is nowhere', async () => {
    const missing = await run(['base', 'no-such-command']);
    assert.equal(missing.code, 20);
    assert.match(missing.stderr, /couldn't start the command: .*no-such-command/);
    const spec = { image: 'base', name: 'taken', network: 'none', command: ['true'] };
    const container = await createContainer(engine, spec);
    const taken = await run(['--name', 'taken', 'base', 'true']);
    assert.equal(taken.code, 2);
    assert.match(taken.stderr, /taken/);
    await container.remove();
    await container.remove();
    const nowhere = await run(['no-such-image', 'true']);
    assert.equal(nowhere.code, 12);
    assert.equal(await containers(), '');
  });

  test('an image of the store is taken to the engine once, and takes no name from another', async () => {
    await slipway.must(['copy', '-q', 'docker-daemon:app', 'kept:1'], { env });
    await docker.docker('rmi', 'app');
    await docker.docker('tag', 'base', 'kept:1');
    const idOf = (name: string) => docker.docker('image', 'inspect', '--format', '{{.Id}}', name);
    const before = await idOf('kept:1');
    assert.equal((await run(['kept:1'])).stdout, 'hello from app\n');
    assert.equal(await idOf('kept:1'), before);
    const images = await docker.docker('images', '--all', '--quiet', '--no-trunc');
    assert.equal((await run(['kept:1'])).stdout, 'hello from app\n');
    assert.equal(await docker.docker('images', '--all', '--quiet', '--no-trunc'), images);
  });

  test('an interrupt stops the command, and its container is gone', async () => {
    const words = [
      'run',
      '-q',
      '--network=none',
      'base',
      '/bin/sh',
      '-c',
      'echo up; cat /dev/zero >/dev/null',
    ];
    const child = spawn(process.execPath, [MAIN, ...words], {
      env: { PATH: process.env.PATH, ...slipway.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    assert.notEqual(await containers(), '');
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    assert.equal(await containers(), '');
  });

  test('a reader that goes away stops the command, and its container is gone', async () => {
    const words = [
      'run',
      '-q',
      '--network=none',
      'base',
      '/bin/sh',
      '-c',
      'while :; do echo up; done',
    ];
    const child = spawn(process.execPath, [MAIN, ...words], {
      env: { PATH: process.env.PATH, ...slipway.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdout.destroy();
    assert.equal(await ended, 0);
    assert.equal(await containers(), '');
  });

  test('a container whose slipway was killed goes when its command ends', async (t) => {
    const folder = await tempDir(t);
    await mkdir(path.join(folder, 'mnt'));
    const script = 'echo up; while [ ! -e /mnt/go ]; do :; done';
    const words = [
      'run',
      '-q',
      '--network=none',
      '-v',
      `${folder}/mnt:/mnt`,
      'base',
      '/bin/sh',
      '-c',
      script,
    ];
    const child = spawn(process.execPath, [MAIN, ...words], {
      env: { PATH: process.env.PATH, ...slipway.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGKILL');
    await ended;
    assert.notEqual(await containers(), '');
    await writeFile(path.join(folder, 'mnt/go'), '');
    while ((await containers()) !== '') await delay(50);
  });

  test('what an aborted run began is gone when it is told', async () => {
    const aborting = new AbortController();
    const running = runContainer(
      engine,
      {
        image: 'base',
        network: 'none',
        command: ['/bin/sh', '-c', 'echo up; cat /dev/zero >/dev/null'],
      },
      { say: () => aborting.abort(new Error('enough')) },
      { signal: aborting.signal },
    );
    await assert.rejects(running, /enough/);
    assert.equal(await containers(), '');
  });

  test('containers of one network find each other by name, and share a volume', async () => {
    const network = await createNetwork(engine, { name: 'between', labels: { by: 'test' } });
    const volume = await createVolume(engine, { name: 'shared' });
    const keeper = await createContainer(engine, {
      image: 'base',
      network: network.name,
      aliases: ['other'],
      volumes: ['shared:/data'],
      command: [
        '/bin/sh',
        '-c',
        'echo kept >/data/file; exec /bin/busybox httpd -f -p 80 -h /data',
      ],
    });
    try {
      await keeper.start();
      let said = '';
      const status = await runContainer(
        engine,
        {
          image: 'base',
          network: network.name,
          volumes: ['shared:/data'],
          command: [
            '/bin/sh',
            '-c',
            'until /bin/busybox wget -q -O - http://other/file; do :; done; cat /data/file',
          ],
        },
        {
          say({ bytes }) {
            said += Buffer.from(bytes).toString();
          },
        },
      );
      assert.equal(status, 0);
      assert.match(said, /kept\nkept\n$/);
    } finally {
      await keeper.remove();
      await network.remove();
      await volume.remove();
    }
    await network.remove();
    assert.doesNotMatch(await docker.docker('network', 'ls'), /between/);
    assert.doesNotMatch(await docker.docker('volume', 'ls'), /shared/);
  });
});
