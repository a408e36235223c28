import assert from 'node:assert/strict';
import { chmod, copyFile, mkdir, readFile, symlink } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { encrypt } from '../../src/jet/encryption.ts';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { makeEngineCertificates } from '../rig/engine-certificates.ts';
import { importBase } from '../rig/images.ts';
import type { Owner } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { findProgram, missing, missingEngine } from '../rig/programs.ts';
import { atTerminal } from '../rig/terminal.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { writeProject } from './project.ts';
import { registryRoot } from './registry-root.ts';

const skip = missingEngine(
  'dockerd',
  'docker',
  'busybox',
  'docker-registry',
  'htpasswd',
  'openssl',
);

/** An app that is built without any engine. */
const APP = 'FROM scratch\nCOPY root /\nENV PATH=/bin\nCMD ["sh", "-c", "echo own command"]\n';

suite('pipelines with containers of a running Docker', { skip }, () => {
  let docker: Docker;
  let slipway: CommandLine;
  let env: Readonly<Record<string, string>>;
  let certificates: string;

  before(async () => {
    certificates = await makeEngineCertificates(THIS_FILE);
    docker = await startDockerd(THIS_FILE, { certificates });
    env = { DOCKER_HOST: docker.env.DOCKER_HOST ?? '' };
    slipway = await prepareCommandLine(THIS_FILE, env);
    await importBase(THIS_FILE, docker);
    const { tar, command } = await registryRoot(THIS_FILE);
    await docker.docker('import', '--change', command, tar, 'registry:latest');
  });

  /** A project with `base` and what else is said. */
  const project = (owner: Owner, services: string, steps: string, more = {}) =>
    writeProject(owner, {
      'codeship-services.yml': services,
      'codeship-steps.yml': steps,
      ...more,
    });
  const run = (dir: string, ...words: readonly string[]) =>
    slipway.run(['jet', 'steps', '--progress', 'none', '--dir', dir, ...words]);
  /** Containers, networks of ours and volumes: nothing of them may stay. */
  const remains = async () =>
    [
      await docker.docker('ps', '--all', '--quiet'),
      await docker.docker('network', 'ls', '--quiet', '--filter', 'label=slipway.jet'),
      await docker.docker('volume', 'ls', '--quiet'),
    ].join('');

  test("the page's pipeline: services up, command run, image built, pushed, pulled back", async (t) => {
    const { host } = await startDockerRegistry(t);
    const services = `
registry:
  image: registry
  healthcheck: {test: [CMD, /bin/busybox, wget, -q, -O, /dev/null, "http://127.0.0.1:5000/v2/"], interval: 200ms, retries: 100}
app:
  build: {image: ${host}/myapp}
  links: [registry, "registry:store"]
`;
    const steps = `
- name: ask
  service: app
  command: sh -c "wget -q -O - http://registry:5000/v2/ && wget -q -O - http://store:5000/v2/ && echo $CI_NAME"
- name: out
  service: app
  type: push
  image_name: ${host}/myapp
  registry: ${host}
`;
    const dir = await project(t, services, steps, { Dockerfile: APP });
    await copyRoot(dir);
    const { code, stdout, stderr } = await run(dir, '--push');
    assert.equal(code, 0, stderr + stdout);
    assert.match(stdout, /^\(step: ask\) \{\}\{\}codeship$/m);
    assert.match(stdout, /^\(step: ask\) success ✔$/m);
    assert.match(stdout, /^\(service: registry\) /m);
    assert.match(stdout, /^\(step: out\) success ✔$/m);
    await docker.docker('rmi', '--force', `${host}/myapp`);
    await docker.docker('pull', `${host}/myapp`);
    const said = await docker.docker('run', '--rm', '--network=none', `${host}/myapp`);
    assert.equal(said, 'own command');
    assert.equal(await remains(), '');
  });

  test('variables override each other in their order, and settings are those of the service', async (t) => {
    const key = Buffer.alloc(32, 3);
    const services = `
app:
  image: base
  entrypoint: [/bin/sh, -c]
  user: "65534:65534"
  working_dir: /tmp
  environment: {A: plain, B: plain, C: plain, D: plain, CI_BRANCH: mine}
  env_file: vars
  encrypted_env_file: vars.encrypted
  encrypted_environment: {E: "${encrypt(Buffer.from('hidden-one'), key, 'jet')}"}
  volumes: ["./seen:/seen:ro"]
`;
    const script =
      'cat /seen/file; echo "$A|$B|$C|$D|$CI_BRANCH|$CI_BUILD_ID|$CI_PR_NUMBER|$CI_PULL_REQUEST|$PWD|$(echo -n $E | /bin/busybox wc -c)"; id -u';
    const steps = JSON.stringify([{ name: 'say', service: 'app', command: [script] }]);
    const dir = await project(t, services, steps, {
      vars: '# none\nB=file\nC=file\nD=file\n',
      'vars.encrypted': encrypt(Buffer.from('C=encrypted-file\nD=encrypted-file\n'), key, 'sealed'),
      'codeship.aes': `${key.toString('base64')}\n`,
      'seen/file': 'from outside\n',
    });
    await chmod(dir, 0o755);
    const words = ['-e', 'D=given', '--ci-branch', 'theirs', '--ci-build-id', '42'];
    words.push('--ci-pr-number=7', '--ci-pull-request=https://x/pull/7');
    const { code, stdout, stderr } = await run(dir, ...words);
    assert.equal(code, 0, stderr + stdout);
    assert.match(stdout, /^\(step: say\) from outside$/m);
    assert.match(
      stdout,
      /^\(step: say\) plain\|file\|(?:encrypted-file|\*\*\*)\|given\|mine\|42\|7\|https:\/\/x\/pull\/7\|\/tmp\|10$/m,
    );
    assert.equal(await remains(), '');
  });

  test('a command that fails stops the pipeline, and on_fail runs', async (t) => {
    const steps = `
- {name: good, service: app, command: echo fine}
- name: bad
  service: app
  command: sh -c "echo before; exit 7"
  on_fail: [{command: echo mending}, {command: sh -c "exit 1"}]
- {name: never, service: app, command: echo no}
`;
    const dir = await project(t, 'app: {image: base}', steps);
    const { code, stdout, stderr } = await run(dir);
    assert.equal(code, 20);
    assert.match(
      stdout,
      /\(step: bad\) before\n\(step: bad\) failed ✗ the command ended with status 7\n\(step: bad on_fail\) mending\n/,
    );
    assert.doesNotMatch(stdout, /never/);
    assert.match(stderr, /status 7/);
    assert.equal(await remains(), '');
  });

  test('in a parallel group others end by themselves when one fails', async (t) => {
    const steps = `
- type: parallel
  steps:
  - name: waits
    service: app
    command: sh -c "until [ -e /shared/go ]; do :; done; echo went on"
  - type: serial
    steps:
    - name: fails
      service: app
      command: sh -c "echo > /shared/go; exit 3"
    - {name: later, service: app, command: echo no}
- {name: never, service: app, command: echo no}
`;
    const dir = await project(
      t,
      'app: {image: base, volumes: ["shared:/shared"], environment: [PATH=/bin]}',
      steps,
      {},
    );
    const { code, stdout } = await run(dir);
    assert.equal(code, 20);
    assert.match(stdout, /^\(step: waits\) went on$/m);
    assert.match(stdout, /^\(step: waits\) success ✔$/m);
    assert.match(stdout, /^\(step: fails\) failed ✗ the command ended with status 3$/m);
    assert.doesNotMatch(stdout, /later|never/);
    assert.equal(await remains(), '');
  });

  test('volumes of other services are seen, and those of the run are removed', async (t) => {
    const services = `
data: {image: base, command: sh -c "echo kept > /data/file", volumes: [/data]}
app: {image: base, volumes_from: [data]}
`;
    const steps = '- {name: look, service: app, command: sh -c "until cat /data/file; do :; done"}';
    const dir = await project(t, services, steps);
    const { code, stdout, stderr } = await run(dir);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^\(step: look\) kept$/m);
    assert.equal(await remains(), '');
  });

  test('a service that is not healthy fails its step', async (t) => {
    const services = `
db: {image: base, command: cat /dev/zero, healthcheck: {test: exit 1, interval: 100ms, retries: 2}}
app: {image: base, depends_on: [db]}
`;
    const dir = await project(t, services, '- {name: a, service: app, command: echo no}');
    const { code, stdout } = await run(dir);
    assert.equal(code, 20);
    assert.match(stdout, /^\(step: a\) failed ✗ the service db (?:is not healthy|ended before)/m);
    assert.equal(await remains(), '');
  });

  test('dockercfg_service: a container writes the credentials', async (t) => {
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-2' } });
    const auth = Buffer.from('me:pass-word-2').toString('base64');
    const services = `
app:
  build: {image: ${host}/myapp}
generator:
  image: base
  environment: ['CONFIG={"auths":{"${host}":{"auth":"${auth}"}}}']
  entrypoint: [/bin/sh, -c, 'echo "$CONFIG" > "$0"']
  user: "65534"
nothing: {image: base, entrypoint: [/bin/sh, -c, ':']}
broken: {image: base, entrypoint: [/bin/sh, -c, 'exit 4']}
`;
    const step = (service: string) =>
      `- {name: out, service: app, type: push, image_name: ${host}/myapp, dockercfg_service: ${service}}`;
    const push = async (service: string) => {
      const dir = await project(t, services, step(service), { Dockerfile: APP });
      await copyRoot(dir);
      return await run(dir, '--push');
    };
    const good = await push('generator');
    assert.equal(good.code, 0, good.stderr);
    assert.doesNotMatch(good.stdout + good.stderr, /pass-word-2/);
    const nothing = await push('nothing');
    assert.equal(nothing.code, 20);
    assert.match(nothing.stderr, /the service nothing wrote no docker config/);
    const broken = await push('broken');
    assert.equal(broken.code, 20);
    assert.match(broken.stderr, /broken, .* ended with status 4/);
    assert.equal(await remains(), '');
  });

  test('a service that writes the credentials of all others may be built itself', async (t) => {
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-2' } });
    const auth = Buffer.from('me:pass-word-2').toString('base64');
    const services = `
app: {build: {image: ${host}/myapp}}
generator:
  build: {dockerfile: generator}
  environment: ['CONFIG={"auths":{"${host}":{"auth":"${auth}"}}}']
`;
    const steps = `- {service: app, type: push, image_name: ${host}/myapp}`;
    const entrypoint = ['/bin/sh', '-c', 'echo "$CONFIG" > "$0"'];
    const dir = await project(t, services, steps, {
      Dockerfile: APP,
      generator: `FROM scratch\nCOPY root /\nENTRYPOINT ${JSON.stringify(entrypoint)}\n`,
    });
    await copyRoot(dir);
    const { code, stderr } = await run(dir, '--push', '--dockercfg-service', 'generator');
    assert.equal(code, 0, stderr);
    assert.equal(await remains(), '');
  });

  test('add_docker gives a container the engine, and --no-remove leaves all until cleanup', async (t) => {
    const services = `
db: {image: base, command: sh, volumes: [/data]}
app: {image: base, add_docker: true, links: [db], entrypoint: [/bin/sh, -c]}
other: {image: base, entrypoint: [/bin/sh, -c]}
`;
    const see = 'if [ -S /var/run/docker.sock ]; then echo engine; else echo none; fi';
    const steps = JSON.stringify([
      { name: 'with', service: 'app', command: [see] },
      { name: 'without', service: 'other', command: [see] },
    ]);
    const dir = await project(t, services, steps);
    const { code, stdout, stderr } = await run(dir, '--no-remove');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^\(step: with\) engine$/m);
    assert.match(stdout, /^\(step: without\) none$/m);
    assert.equal((await docker.docker('ps', '--all', '--quiet')).split('\n').length, 3);
    const removed = await slipway.must(['jet', 'cleanup']);
    assert.equal(removed.filter((line) => line.endsWith(' removed')).length, 5, removed.join());
    assert.equal(await remains(), '');
  });

  test('add_docker gives a container the address of an engine that is reached by TCP, and its certificates', async (t) => {
    const at = (name: string) => `${name}=${path.join(certificates, name)}.pem`;
    const words = [`host=tcp://${docker.tcpHost}`, at('ca'), at('cert'), at('key')].join(',');
    await docker.docker('context', 'create', 'there', '--docker', words);
    const there = {
      DOCKER_HOST: '',
      DOCKER_CONTEXT: 'there',
      DOCKER_CONFIG: docker.env.DOCKER_CONFIG ?? '',
    };
    const see =
      'echo "$DOCKER_HOST $DOCKER_TLS_VERIFY $DOCKER_CERT_PATH" && cd $DOCKER_CERT_PATH && /bin/busybox ls && cat key.pem';
    const dir = await project(
      t,
      'app: {image: base, add_docker: true, user: "65534", entrypoint: [/bin/sh, -c]}',
      JSON.stringify([{ name: 'a', service: 'app', command: [see] }]),
    );
    const steps = ['jet', 'steps', '--progress', 'none', '--dir', dir];
    const { code, stdout, stderr } = await slipway.run(steps, undefined, there);
    assert.equal(code, 0, stdout + stderr);
    const said = stdout.replaceAll('(step: a) ', '');
    const names = `tcp://${docker.tcpHost} 1 /jet-docker\nca.pem\ncert.pem\nkey.pem\n`;
    assert.ok(said.startsWith(names), stdout);
    assert.ok(said.includes(await readFile(path.join(certificates, 'key.pem'), 'utf8')));
    assert.match(stderr, /a container can't reach the engine at 127\.0\.0\.1:\d+/);
    assert.equal(await remains(), '');
  });

  test('--keep-volume-containers leaves volumes and what only holds them', async (t) => {
    const services = `
data: {image: base, command: echo made, volumes: [/data]}
db: {image: base, command: cat}
app: {image: base, volumes_from: [data], links: [db]}
`;
    const dir = await project(t, services, '- {name: a, service: app, command: echo done}');
    const { code, stdout, stderr } = await run(dir, '--keep-volume-containers');
    assert.equal(code, 0, stdout + stderr);
    const removed = await slipway.must(['jet', 'cleanup']);
    assert.deepEqual(
      removed.map((line) => line.replace(/ .* /, ' ')),
      ['container removed', 'volume removed'],
    );
    assert.equal(await remains(), '');
  });

  test('jet run gives a container our terminal, and -T none', {
    skip: missing('script'),
  }, async (t) => {
    const services =
      'db: {image: base, command: cat, volumes: [/data]}\napp: {image: base, links: [db]}';
    const dir = await project(t, services, '[]');
    const ask = 'test -t 0 && echo at a terminal; echo "name?"; read it; echo "<$it>"; exit 3';
    const words = ['app', '/bin/busybox', 'sh', '-c', ask.replace('test', '/bin/busybox test')];
    const here = { ...slipway.env, ...env };
    const start = [process.execPath, MAIN, 'jet', 'run', '--dir', dir];
    const shown = await atTerminal([...start, ...words], here, [[/name\?/, 'mine\n']]);
    assert.equal(shown.code, 20, shown.shown);
    assert.match(shown.shown, /at a terminal\r*\nname\?\r*\n(?:mine\r*\n)?<mine>/);
    const without = await atTerminal([...start, '-T', ...words], here, []);
    assert.equal(without.code, 20, without.shown);
    assert.doesNotMatch(without.shown, /at a terminal/);
    assert.equal(await remains(), '');
  });

  test('jet run and jet load take a service, with what it needs', async (t) => {
    const services = `
db: {image: base, command: sh -c "echo from db > /data/file", volumes: [/data]}
app: {image: base, volumes_from: [db], command: sh -c "until cat /data/file; do :; done"}
built: {build: {image: built-here}}
`;
    const dir = await project(t, services, '[]', { Dockerfile: APP });
    await copyRoot(dir);
    const words = (...more: string[]) => [
      'jet',
      ...more.slice(0, 1),
      '--dir',
      dir,
      ...more.slice(1),
    ];
    assert.equal((await slipway.run(words('run', 'app'))).stdout, 'from db\n');
    const own = await slipway.run(words('run', 'app', 'sh', '-c', 'echo "[$0]"; exit 3', '-e'));
    assert.deepEqual([own.code, own.stdout], [20, '[-e]\n']);
    const other = await slipway.run(words('run', '--entrypoint', 'echo given', 'app', 'too'));
    assert.equal(other.stdout, 'given too\n');
    const nobody = await slipway.run(words('run', 'nobody'));
    assert.equal(nobody.code, 2);
    assert.match(nobody.stderr, /no service "nobody"\n.*services are db, app, built/s);
    const [loaded = ''] = await slipway.must(words('load', 'built'));
    assert.match(loaded, /^built: sha256:/);
    assert.match(await docker.docker('images', '--no-trunc'), new RegExp(loaded.slice(7)));
    const alone = await slipway.run(words('load', 'built'), undefined, {
      DOCKER_HOST: 'unix:///nowhere/s',
    });
    assert.match(alone.stdout, /in the local store; no engine is running/);
    assert.equal(await remains(), '');
  });
});

/** The content of an image with a busybox, in the folder `root` of a project. */
async function copyRoot(dir: string): Promise<void> {
  await mkdir(path.join(dir, 'root/bin'), { recursive: true });
  const busybox = findProgram('busybox') ?? 'busybox';
  await copyFile(busybox, path.join(dir, 'root/bin/busybox'));
  for (const name of ['sh', 'wget']) {
    await symlink('busybox', path.join(dir, 'root/bin', name));
  }
}
