import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { importBase } from '../rig/images.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { writeProject } from './project.ts';

const skip = missingEngine('dockerd', 'docker', 'busybox');

/** Says that it is there, and goes on until it is ended. */
const LONG = 'sh -c "echo up; cat /dev/zero > /dev/null"';

/** A pipeline in a process of its own. */
interface Started {
  readonly child: ChildProcess;
  /** Waits until it has said something; fails if it ends before. */
  says(pattern: RegExp): Promise<void>;
  readonly ended: Promise<number | null>;
  output(): string;
}

suite('pipelines that are interrupted', { skip }, () => {
  let docker: Docker;
  let slipway: CommandLine;

  before(async () => {
    docker = await startDockerd(THIS_FILE);
    slipway = await prepareCommandLine(THIS_FILE, { DOCKER_HOST: docker.env.DOCKER_HOST ?? '' });
    await importBase(THIS_FILE, docker);
  });

  /** Containers, networks of ours and volumes: nothing of them may stay. */
  const remains = async () =>
    [
      await docker.docker('ps', '--all', '--quiet'),
      await docker.docker('network', 'ls', '--quiet', '--filter', 'label=slipway.jet'),
      await docker.docker('volume', 'ls', '--quiet'),
    ].join('');

  /** Begins to run the steps of a project. */
  const start = async (
    t: Owner,
    files: Readonly<Record<string, string>>,
    words: readonly string[] = [],
    env: Readonly<Record<string, string | undefined>> = docker.env,
  ): Promise<Started> => {
    const dir = await writeProject(t, files);
    const child = spawn(process.execPath, [MAIN, 'jet', 'steps', '--dir', dir, ...words], {
      env: { PATH: process.env.PATH, ...slipway.env, DOCKER_HOST: env.DOCKER_HOST },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    atEnd(t, () => void child.kill('SIGKILL'));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    let output = '';
    const listen = (chunk: Buffer) => {
      output += chunk.toString();
      child.emit('said');
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    return {
      child,
      ended,
      output: () => output,
      async says(pattern) {
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const look = () => pattern.test(output) && resolve();
        child.on('said', look);
        ended.then(() => reject(new Error(`it ended without ${pattern}: ${output}`)));
        look();
        await promise;
      },
    };
  };

  const files = (services: string, steps: string) => ({
    'codeship-services.yml': services,
    'codeship-steps.yml': steps,
  });
  const PROJECT = files(
    `
db: {image: base, command: sh -c "cat /dev/zero > /dev/null", volumes: [/data]}
app: {image: base, links: [db], volumes: ["named:/named"]}
`,
    `- {name: long, service: app, command: '${LONG}'}`,
  );

  test('jet cleanup removes what killed runs have left, and nothing else', async (t) => {
    const other = (await docker.docker('create', '--network=none', 'base', 'cat')).trim();
    const { child, says, ended } = await start(t, PROJECT);
    await says(/\(step: long\) up/);
    assert.deepEqual(await slipway.must(['jet', 'cleanup']), ['']);
    child.kill('SIGKILL');
    await ended;
    const listed = await slipway.must(['jet', 'cleanup', '--dry-run']);
    // One volume has a name, one has none.
    assert.equal(listed.filter((line) => / would be removed$/.test(line)).length, 5, listed.join());
    const removed = await slipway.must(['jet', 'cleanup']);
    assert.deepEqual(
      removed.map((line) => line.replace(/ .* /, ' ')),
      [...TWICE_CONTAINER, 'network removed', 'volume removed', 'volume removed'],
    );
    assert.equal(await docker.docker('ps', '--all', '--quiet', '--no-trunc'), other);
    await docker.docker('rm', other);
    assert.equal(await remains(), '');
  });

  test('an interrupt in the middle of a parallel group leaves no container, network or volume', async (t) => {
    const steps = ['a', 'b'].map((name) => `{name: ${name}, service: app, command: '${LONG}'}`);
    const { child, says, ended, output } = await start(t, {
      ...PROJECT,
      'codeship-steps.yml': `- {type: parallel, steps: [${steps.join(', ')}, {type: serial, steps: [{name: c, service: app, command: '${LONG}'}, {name: never, service: app, command: echo no}]}]}\n`,
    });
    // As many at once as there are processors.
    await says(/\(step: .\) up/);
    assert.notEqual(await remains(), '');
    child.kill('SIGINT');
    assert.equal(await ended, 130, output());
    assert.doesNotMatch(output(), /never|success|stays in the engine/);
    assert.equal(await remains(), '');
  });

  test('SIGTERM while a service is waited for leaves nothing', async (t) => {
    const { child, says, ended } = await start(
      t,
      files(
        `
db: {image: base, command: '${LONG}', volumes: [/data], healthcheck: {test: exit 1, interval: 1h}}
app: {image: base, depends_on: [db]}
`,
        '- {name: a, service: app, command: echo no}',
      ),
    );
    await says(/\(service: db\) up/);
    child.kill('SIGTERM');
    assert.equal(await ended, 130);
    assert.equal(await remains(), '');
  });

  test('an interrupt in the middle of a build leaves nothing', async (t) => {
    const { child, says, ended } = await start(
      t,
      {
        ...files(
          'app: {build: {image: 127.0.0.1:1/app}}',
          '- {type: push, service: app, image_name: 127.0.0.1:1/app}',
        ),
        Dockerfile: 'FROM base\nRUN echo built so far; cat /dev/zero > /dev/null\n',
      },
      ['--push', '--progress', 'plain'],
    );
    await says(/built so far\n/);
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    // The engine ends the build when nobody listens to it any more.
    while ((await remains()) !== '') await delay(100);
  });

  test('an interrupt in the middle of a push ends it', async (t) => {
    const asked = Promise.withResolvers<void>();
    const host = await listen(t, () => asked.resolve());
    const { child, ended, output } = await start(
      t,
      {
        ...files(
          `app: {build: {image: ${host}/app}}`,
          `- {name: out, type: push, service: app, image_name: ${host}/app}`,
        ),
        Dockerfile: 'FROM scratch\nCOPY Dockerfile /\n',
      },
      ['--push'],
    );
    await asked.promise;
    child.kill('SIGINT');
    assert.equal(await ended, 130, output());
    assert.doesNotMatch(output(), /success/);
  });

  test('a second interrupt ends it at once, and jet cleanup removes the rest', async (t) => {
    const { child, says, ended, output } = await start(t, PROJECT);
    await says(/\(step: long\) up/);
    // The engine doesn't answer any more.
    process.kill(docker.pid, 'SIGSTOP');
    let code: number | null | undefined;
    try {
      // Two signals that come together are one.
      while (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGINT');
        await Promise.race([ended, delay(300)]);
      }
      code = await ended;
    } finally {
      process.kill(docker.pid, 'SIGCONT');
    }
    assert.equal(code, 130, output());
    await slipway.must(['jet', 'cleanup']);
    assert.equal(await remains(), '');
  });

  test('an engine that goes away in the middle is a failure of the step', async (t) => {
    const socket = path.join(await tempDir(t), 's');
    const goAway = await forward(t, socket, (docker.env.DOCKER_HOST ?? '').slice('unix://'.length));
    const env = { DOCKER_HOST: `unix://${socket}` };
    const { says, ended, output } = await start(t, PROJECT, [], env);
    await says(/\(step: long\) up/);
    goAway();
    assert.equal(await ended, 16, output());
    assert.match(output(), /\(step: long\) failed ✗ /);
    assert.match(output(), /stays in the engine: .*slipway jet cleanup removes it/);
    await slipway.must(['jet', 'cleanup']);
    assert.equal(await remains(), '');
  });
});

const TWICE_CONTAINER = ['container removed', 'container removed'];

/** A registry that takes connections and says nothing. */
async function listen(owner: Owner, onAsked: () => void): Promise<string> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onAsked();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Passes connections on to a socket, until it is told to go away. */
async function forward(owner: Owner, from: string, to: string): Promise<() => void> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((inner) => {
    const outer = net.connect(to);
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => other.destroy());
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(from, resolve));
  const goAway = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  atEnd(owner, goAway);
  return goAway;
}
