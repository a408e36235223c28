import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { makeEngineCertificates } from '../rig/engine-certificates.ts';
import { buildTestImage, importBase } from '../rig/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { findProgram, missingEngine, mustRun, type RunResult } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missingEngine('dockerd', 'docker', 'docker-registry', 'busybox', 'openssl');

suite('images of a running Docker', { skip }, () => {
  let engine: Docker;
  let slipway: CommandLine;
  let registry: string;
  let certificates: string;
  let id: string;

  before(async () => {
    certificates = await makeEngineCertificates(THIS_FILE);
    engine = await startDockerd(THIS_FILE, { certificates });
    slipway = await prepareCommandLine(THIS_FILE, local().env);
    registry = (await startDockerRegistry(THIS_FILE)).host;
    await importBase(THIS_FILE, engine);
    await buildTestImage(THIS_FILE, engine, 'app', 'hello from app');
    id = await idOf('app');
  });

  const idOf = (name: string) => engine.docker('image', 'inspect', '--format', '{{.Id}}', name);

  const local = () => ({ env: { DOCKER_HOST: engine.env.DOCKER_HOST ?? '' } });
  const must = (...args: readonly string[]) => slipway.must(args);
  const run = (...args: readonly string[]): Promise<RunResult> => slipway.run(args);

  /** docker gives the image back by the digest that slipway printed. */
  async function comesBack(lines: readonly string[]): Promise<void> {
    const reference = lines.at(-1) ?? '';
    assert.match(reference, /^127\.0\.0\.1:\d+\/[a-z-]+@sha256:[0-9a-f]{64}$/);
    await engine.docker('pull', '--quiet', reference);
    assert.equal(await idOf(reference), id);
    const output = await engine.docker('run', '--rm', '--network=none', reference);
    assert.equal(output, 'hello from app');
  }

  test('docker build, then slipway tag and slipway push: docker pulls it by the digest', async () => {
    await must('tag', 'app', `${registry}/tagged:1`);
    await comesBack(await must('push', `${registry}/tagged:1`));
  });

  test('a name that only the engine has is pushed straight from there', async () => {
    await engine.docker('tag', 'app', `${registry}/own-name:1`);
    await comesBack(await must('push', `${registry}/own-name:1`));
    const stored = await must('images', '--no-engine', '--format', '{{.Name}}');
    assert.ok(!stored.some((name) => name.includes('own-name')), stored.join('\n'));
  });

  test('an image is found by name, tag, id and short id, with one digest for all', async () => {
    const hex = id.replace('sha256:', '');
    const found = new Set<string>();
    for (const [at, from] of [
      'app',
      'docker-daemon:app',
      'docker-daemon:app:latest',
      `docker-daemon:${id}`,
      `docker-daemon:${hex}`,
      `docker-daemon:${hex.slice(0, 12)}`,
    ].entries()) {
      const [line = ''] = await must('push', '-q', '--from', from, `${registry}/found:${at}`);
      found.add(line);
    }
    assert.equal(found.size, 1, [...found].join(' '));
  });

  test('images shows the store and the engine, with platforms', async () => {
    await must('copy', '-q', 'docker-daemon:app', 'stored:1');
    const format = '{{.Engine}}|{{.Repository}}:{{.Tag}}|{{.Platform}}';
    const rows = await must('images', '--format', format);
    assert.ok(rows.includes('|stored:1|linux/amd64'), rows.join('\n'));
    assert.ok(rows.includes('docker|app:latest|linux/amd64'), rows.join('\n'));
    const table = await must('images', 'app');
    assert.match(
      table[0] ?? '',
      /^REPOSITORY +TAG +IMAGE ID +CREATED +PLATFORM +SIZE +BLOB SIZE +ENGINE$/,
    );
    assert.match(table[1] ?? '', new RegExp(`^app +latest +${id.slice(7, 19)} .* docker$`));
    const without = await must('images', '--no-engine');
    assert.match(without[0] ?? '', /BLOB SIZE$/);
    assert.ok(!without.some((row) => row.startsWith('app ')));
  });

  test('what is copied into the engine runs there', async () => {
    await must('push', '-q', '--from', 'app', `${registry}/there:1`);
    await must('copy', '-q', `docker://${registry}/there:1`, 'docker-daemon:brought:7');
    assert.equal(await idOf('brought:7'), id);
    assert.equal(
      await engine.docker('run', '--rm', '--network=none', 'brought:7'),
      'hello from app',
    );
  });

  test('of an index the engine gets its own platform', async () => {
    await must('push', '-q', '--from', 'app', `${registry}/multi:amd`);
    await must('index', 'create', '-q', `${registry}/multi:1`, `${registry}/multi:amd`);
    await must('copy', '-q', `docker://${registry}/multi:1`, 'docker-daemon:of-index:1');
    assert.equal(await idOf('of-index:1'), id);
  });

  test('an image whose layers lie is refused by the copy, and the engine has nothing of it', async () => {
    const folder = path.join(await tempDir(THIS_FILE), 'layout');
    await must('copy', '-q', '--compression', 'none', 'docker-daemon:app', `oci:${folder}:x`);
    const blobs = path.join(folder, 'blobs/sha256');
    for (const name of await readdir(blobs)) {
      const file = path.join(blobs, name);
      const { size } = await stat(file);
      if (size < 1_000_000) continue;
      await chmod(file, 0o644);
      await writeFile(file, Buffer.alloc(size, 1));
    }
    const { code, stderr } = await run('copy', `oci:${folder}:x`, 'docker-daemon:lying:1');
    assert.equal(code, 17, stderr);
    assert.equal((await engine.tryDocker('image', 'inspect', 'lying:1')).code, 1);
  });

  test('layers that this engine cannot unpack are told as that', async () => {
    const { version } = JSON.parse(
      await engine.docker('version', '--format', '{"version": "{{.Server.Version}}"}'),
    ) as { version: string };
    await buildTestImage(THIS_FILE, engine, 'packed', 'a text of its own');
    await must('copy', '-q', '--compression', 'zstd', 'docker-daemon:packed', 'packed:1');
    await engine.docker('rmi', '-f', 'packed');
    const { code, stderr } = await run('copy', '-q', 'packed:1', 'docker-daemon:packed:2');
    if (Number.parseInt(version, 10) >= 23) return assert.equal(code, 0, stderr);
    assert.equal(code, 15, stderr);
    assert.match(stderr, /couldn't load an image: /);
    assert.match(stderr, /hint: the image has layers of zstd, which Docker unpacks since 23/);
  });

  test('what is no destination in an engine is refused before anything is sent', async () => {
    const zeros = `sha256:${'0'.repeat(64)}`;
    for (const name of [zeros, `app@${zeros}`, '', 'A/B', '../../x']) {
      const { code, stdout } = await run(
        'copy',
        '-q',
        'docker-daemon:app',
        `docker-daemon:${name}`,
      );
      assert.deepEqual({ name, code, stdout }, { name, code: 2, stdout: '' });
    }
  });

  test('verify and inspect look at an image of the engine', async () => {
    const [line = ''] = await must('verify', '--deep', 'docker-daemon:app');
    assert.match(line, /^docker-daemon:app@sha256:[0-9a-f]{64}$/);
    const shown = (await must('inspect', 'docker-daemon:app')).join('');
    assert.match(shown, /"platform": "linux\/amd64"/);
  });

  test('over TCP with TLS, in both directions', async () => {
    const env = {
      DOCKER_HOST: `tcp://${engine.tcpHost}`,
      DOCKER_TLS_VERIFY: '1',
      DOCKER_CERT_PATH: certificates,
    };
    const lines = await slipway.program.must(['push', '--from', 'app', `${registry}/tls:1`], {
      env,
    });
    await comesBack(lines);
    await slipway.program.must(
      ['copy', '-q', `docker://${registry}/tls:1`, 'docker-daemon:tls:2'],
      {
        env,
      },
    );
    assert.equal(await idOf('tls:2'), id);
  });

  test('an engine is not spoken to without the right certificates', async () => {
    const host = `tcp://${engine.tcpHost}`;
    const other = await makeEngineCertificates(THIS_FILE);
    const args = ['copy', 'docker-daemon:app', 'x:1'];
    const foreign = { DOCKER_HOST: host, DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: other };
    const wrong = await slipway.program.run(args, { env: foreign });
    assert.equal(wrong.code, 16);
    assert.match(wrong.stderr, /certificate of 127\.0\.0\.1:\d+ isn't trusted/);
    assert.match(wrong.stderr, /DOCKER_CERT_PATH/);
    const plain = await slipway.program.run(args, { env: { DOCKER_HOST: host } });
    assert.notEqual(plain.code, 0);
    const none = await slipway.program.run(args, {
      env: { ...foreign, DOCKER_CERT_PATH: path.join(other, 'nowhere') },
    });
    assert.equal(none.code, 2);
    assert.match(none.stderr, /ca\.pem can't be read/);
  });

  test('the docker context in use is followed, and DOCKER_HOST goes before it', async () => {
    const config = await tempDir(THIS_FILE);
    const env = { DOCKER_CONFIG: config, DOCKER_HOST: '' };
    const docker = (...args: readonly string[]) =>
      mustRun('docker', args, { env: { DOCKER_CONFIG: config, HOME: config } });
    const pem = (name: string) => path.join(certificates, `${name}.pem`);
    const tls = `ca=${pem('ca')},cert=${pem('cert')},key=${pem('key')}`;
    await docker('context', 'create', 'secure', '--docker', `host=tcp://${engine.tcpHost},${tls}`);
    await docker('context', 'create', 'near', '--docker', `host=${engine.env.DOCKER_HOST}`);
    await docker('context', 'use', 'secure');
    await slipway.program.must(['copy', '-q', 'docker-daemon:app', 'from-context:1'], { env });
    const near = { ...env, DOCKER_CONTEXT: 'near' };
    await slipway.program.must(['copy', '-q', 'docker-daemon:app', 'from-context:2'], {
      env: near,
    });
    const nowhere = { ...env, DOCKER_CONTEXT: 'no-such' };
    const missing = await slipway.program.run(['copy', 'docker-daemon:app', 'x:1'], {
      env: nowhere,
    });
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /the docker context "no-such" is not there/);
    await slipway.program.must(['copy', '-q', 'docker-daemon:app', 'from-context:3'], {
      env: { ...nowhere, ...local().env },
    });
  });

  test('an engine on another machine is reached through the ssh program', async () => {
    const bin = await tempDir(THIS_FILE);
    await mkdir(path.join(bin, 'bin'));
    // It stands for ssh: it notes what it was asked for, and runs the command here.
    const script = `#!/bin/sh\necho "$@" >>${bin}/log\nwhile [ "$1" != docker ]; do shift; done\nDOCKER_HOST=${engine.env.DOCKER_HOST} exec "$@"\n`;
    await writeFile(path.join(bin, 'bin/ssh'), script, { mode: 0o755 });
    const docker = path.dirname(findProgram('docker') ?? '');
    const env = {
      PATH: `${bin}/bin:${docker}:/usr/bin:/bin`,
      DOCKER_HOST: 'ssh://me@far.example:2222',
    };
    const lines = await slipway.program.must(['push', '-q', '--from', 'app', `${registry}/ssh:1`], {
      env,
    });
    await comesBack(lines);
    await slipway.program.must(
      ['copy', '-q', `docker://${registry}/ssh:1`, 'docker-daemon:ssh:2'],
      {
        env,
      },
    );
    assert.equal(await idOf('ssh:2'), id);
    assert.match(
      await readFile(path.join(bin, 'log'), 'utf8'),
      /^-o ConnectTimeout=30 -T -l me -p 2222 -- far\.example docker system dial-stdio$/m,
    );
    await writeFile(path.join(bin, 'bin/ssh'), '#!/bin/sh\necho no route >&2\nexit 255\n');
    const failed = await slipway.program.run(['copy', 'docker-daemon:app', 'x:1'], { env });
    assert.equal(failed.code, 21);
    assert.match(failed.stderr, /ssh:\/\/\*\*\*@far\.example:2222: no route/);
  });

  test('an image that the engine does not have is told so', async () => {
    const { code, stderr } = await run('copy', 'docker-daemon:no-such:1', 'x:1');
    assert.equal(code, 12);
    assert.match(stderr, /docker at unix:.* has no image "no-such:1"/);
    const bare = await run('push', `${registry}/no-such:1`);
    assert.equal(bare.code, 12);
    assert.match(bare.stderr, /no such local image: .*no-such:1/);
    assert.match(bare.stderr, /has none of this name either/);
  });
});
