import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { buildTestImage, importBase } from '../rig/images.ts';
import { missing } from '../rig/programs.ts';
import { startRelay } from '../rig/relay.ts';
import { skopeoInspect } from '../rig/skopeo.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missing('docker-registry', 'skopeo', 'busybox') || missingNewerDocker();

suite("images of a Docker with containerd's store", { skip }, () => {
  let engine: Docker;
  let slipway: CommandLine;
  let registry: string;
  let env: Readonly<Record<string, string>>;

  before(async () => {
    engine = await startDockerd(THIS_FILE, { newer: 'containerd' });
    env = { DOCKER_HOST: engine.env.DOCKER_HOST ?? '' };
    slipway = await prepareCommandLine(THIS_FILE, env);
    registry = (await startDockerRegistry(THIS_FILE)).host;
    await importBase(THIS_FILE, engine);
    await buildTestImage(THIS_FILE, engine, 'app', 'hello from app');
  });

  const must = (...args: readonly string[]) => slipway.must(args);
  const idOf = (name: string) => engine.docker('image', 'inspect', '--format', '{{.Id}}', name);

  test('an image keeps the digest that the engine shows, all the way', async () => {
    const [pushed = ''] = await must('push', '-q', '--from', 'app', `${registry}/app:1`);
    assert.equal(pushed, `${registry}/app@${await idOf('app')}`);
    assert.equal((await skopeoInspect(`${registry}/app:1`)).Digest, await idOf('app'));
    await must('copy', '-q', `docker://${registry}/app:1`, 'docker-daemon:back:1');
    assert.equal(await idOf('back:1'), await idOf('app'));
    const said = await engine.docker('run', '--rm', '--network=none', 'back:1');
    assert.equal(said, 'hello from app');
  });

  test('an image that was pushed is not exported again, under whatever name it goes', async () => {
    await buildTestImage(THIS_FILE, engine, 'again', 'hello again');
    const upstream = (engine.env.DOCKER_HOST ?? '').slice('unix://'.length);
    const { address, asked } = await startRelay(THIS_FILE, upstream);
    const exports = () => asked.filter((line) => /^GET [^ ]+\/get /.test(line)).length;
    for (const name of ['again:1', 'again:1', 'again:2', 'elsewhere:1']) {
      const args = ['push', '-q', '--from', 'docker-daemon:again', `${registry}/${name}`];
      const { code, stderr } = await slipway.run(args, undefined, { DOCKER_HOST: address });
      assert.equal(code, 0, stderr);
      assert.equal(exports(), 1, name);
    }
  });

  test('an index stays an index, with all that it names', async () => {
    await must('push', '-q', '--from', 'app', `${registry}/multi:one`);
    const [index = ''] = await must(
      'index',
      'create',
      '-q',
      `${registry}/multi:1`,
      `${registry}/multi:one`,
    );
    const digest = index.slice(index.indexOf('@') + 1);
    await must('copy', '-q', `docker://${registry}/multi:1`, 'docker-daemon:multi:1');
    assert.equal(await idOf('multi:1'), digest);
    const [pushed = ''] = await must(
      'push',
      '-q',
      '--from',
      'docker-daemon:multi:1',
      `${registry}/multi:2`,
    );
    assert.equal(pushed, `${registry}/multi@${digest}`);
  });

  test('the list has its images with platforms', async () => {
    const rows = await must(
      'images',
      '--format',
      '{{.Engine}}|{{.Repository}}:{{.Tag}}|{{.Platform}}',
    );
    assert.ok(rows.includes('docker|app:latest|linux/amd64'), rows.join('\n'));
  });

  test('a command of an image of the store runs there', async () => {
    await must('copy', '-q', 'docker-daemon:app', 'kept:1');
    await engine.docker('rmi', '-f', 'app');
    const words = ['run', '-q', '--network=none', 'kept:1'];
    assert.deepEqual(await slipway.program.must(words, { env }), ['hello from app']);
  });
});
