import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import tls from 'node:tls';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { makeEngineCertificates } from '../rig/engine-certificates.ts';
import { buildTestImage, importBase } from '../rig/images.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { startRelay } from '../rig/relay.ts';
import { skopeoInspect } from '../rig/skopeo.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missing('docker-registry', 'skopeo', 'busybox') || missingNewerDocker();

/** Listens with TLS for an engine on a socket, which itself would need a port of its own. */
async function tlsBefore(owner: Owner, certificates: string, socket: string): Promise<string> {
  const pem = (name: string) => readFile(path.join(certificates, `${name}.pem`));
  const [ca, cert, key] = await Promise.all(['ca', 'server-cert', 'server-key'].map(pem));
  const open = new Set<net.Socket>();
  const server = tls.createServer({ ca, cert, key, requestCert: true }, (client) => {
    const behind = net.connect(socket);
    for (const each of [client, behind]) {
      open.add(each);
      each.on('error', () => {}).on('close', () => open.delete(each));
    }
    client.pipe(behind).pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    for (const each of open) each.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

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

  /** A relay before the engine, and what was asked for of what the image holds. */
  async function watched() {
    const upstream = (engine.env.DOCKER_HOST ?? '').slice('unix://'.length);
    const { address, asked } = await startRelay(THIS_FILE, upstream);
    const count = (pattern: RegExp) => () => asked.filter((line) => pattern.test(line)).length;
    return {
      env: { DOCKER_HOST: address },
      exports: count(/^GET [^ ]+\/get /),
      openings: count(/^POST [^ ]+\/grpc /),
    };
  }

  test('an image is read blob by blob, without an export, and once under whatever name', async () => {
    await buildTestImage(THIS_FILE, engine, 'again', 'hello again');
    const { env: relayed, exports, openings } = await watched();
    for (const name of ['again:1', 'again:1', 'again:2', 'elsewhere:1']) {
      const args = ['push', '-q', '--from', 'docker-daemon:again', `${registry}/${name}`];
      const { code, stderr } = await slipway.run(args, undefined, relayed);
      assert.equal(code, 0, stderr);
      assert.deepEqual([exports(), openings()], [0, 1], name);
    }
    assert.equal((await skopeoInspect(`${registry}/again:1`)).Digest, await idOf('again'));
  });

  test('an image comes to the same as its file', async (t) => {
    await buildTestImage(THIS_FILE, engine, 'file', 'hello file');
    const file = path.join(await tempDir(t), 'file.tar');
    await engine.docker('save', '-o', file, 'file');
    for (const flags of [['--compression', 'zstd'], ['--compression', 'gzip,zstd'], []]) {
      const digestOf = async (from: string, name: string) => {
        const args = ['push', '-q', '--force-compression', ...flags, '--from', from];
        const [pushed = ''] = await must(...args, `${registry}/${name}`);
        return pushed.slice(pushed.indexOf('@'));
      };
      const tag = flags[1]?.replace(',', '') ?? 'plain';
      const direct = await digestOf('docker-daemon:file', `file/engine:${tag}`);
      assert.equal(direct, await digestOf(`docker-archive:${file}`, `file/file:${tag}`));
      await must('verify', '--deep', `${registry}/file/engine:${tag}`);
    }
  });

  test('an engine far away gives blobs too: with TLS, and through ssh', async (t) => {
    await buildTestImage(THIS_FILE, engine, 'far', 'hello far');
    const bin = await tempDir(t);
    // What it is given behind `--` are the host and a command for there.
    const ssh = 'while [ "$1" != -- ]; do shift; done; shift 2; exec "$@"';
    await writeFile(path.join(bin, 'ssh'), `#!/bin/sh\n${ssh}\n`, { mode: 0o755 });
    const { env: relayed, exports, openings } = await watched();
    const socket = relayed.DOCKER_HOST.slice('unix://'.length);
    const certificates = await makeEngineCertificates(t);
    const places = {
      tls: {
        DOCKER_HOST: `tcp://${await tlsBefore(t, certificates, socket)}`,
        DOCKER_TLS_VERIFY: '1',
        DOCKER_CERT_PATH: certificates,
      },
      ssh: { DOCKER_HOST: `ssh://far${socket}`, PATH: `${bin}:${engine.env.PATH}` },
    };
    for (const [name, far] of Object.entries(places)) {
      const args = ['push', '-q', '--from', 'docker-daemon:far', `${registry}/far/${name}:1`];
      // Nothing is remembered of it there.
      const home = { SLIPWAY_HOME: path.join(bin, `home-${name}`) };
      const { code, stdout, stderr } = await slipway.run(args, undefined, { ...far, ...home });
      assert.equal(code, 0, stderr);
      assert.equal(stdout.trim(), `${registry}/far/${name}@${await idOf('far')}`);
      await must('verify', '--deep', `${registry}/far/${name}:1`);
    }
    assert.deepEqual([exports(), openings()], [0, 2]);
  });

  test('of several platforms the one that was pulled is taken, with its digest', async () => {
    await buildTestImage(THIS_FILE, engine, 'here', 'hello here');
    await must('push', '-q', '--from', 'docker-daemon:here', `${registry}/both:here`);
    const built = await engine.docker('image', 'inspect', '--format', '{{.Architecture}}', 'here');
    const other = built === 'amd64' ? 'arm64' : 'amd64';
    const context = await tempDir(THIS_FILE);
    await writeFile(path.join(context, 'Dockerfile'), 'FROM scratch\nCOPY Dockerfile /there\n');
    const foreign = `${registry}/both:there`;
    await must('build', '-q', '--platform', `linux/${other}`, '--push', '-t', foreign, context);
    const names = [`${registry}/both:1`, `${registry}/both:here`, foreign];
    await must('index', 'create', '-q', ...names);
    await engine.docker('rmi', '-f', 'here');
    await engine.docker('pull', '-q', `${registry}/both:1`);
    const { env: relayed, exports, openings } = await watched();
    const from = `docker-daemon:${registry}/both:1`;
    const args = ['push', '-q', '--from', from, `${registry}/pulled:1`];
    const { code, stdout, stderr } = await slipway.run(args, undefined, relayed);
    assert.equal(code, 0, stderr);
    assert.deepEqual([exports(), openings()], [0, 1]);
    const file = path.join(context, 'saved.tar');
    await engine.docker('save', '-o', file, `${registry}/both:1`);
    const [saved = ''] = await must(
      'push',
      '-q',
      '--from',
      `docker-archive:${file}`,
      `${registry}/pulled:2`,
    );
    assert.equal(stdout.trim(), saved);
    await must('verify', '--deep', `${registry}/pulled:1`);
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
