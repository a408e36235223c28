import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { bytesOf } from '../content/images.ts';
import { testRegistry } from '../content/places.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { assertPrompt, slowness } from '../rig/promptly.ts';
import { dockerArchive, fileOf, layerOf } from './archives.ts';
import { prepareCommandLine } from './in-process.ts';
import { LAYERS, prepare } from './scene.ts';

interface Running {
  readonly child: ChildProcess;
  stderr(): string;
  stdout(): string;
  /** exit code or signal, and how long it took from now on */
  ended(): Promise<{ readonly code: number | string | null; readonly ms: number }>;
}

/** Starts the program; it is killed at the owner's end if it still runs. */
function start(
  owner: Owner,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    text.out += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text.err += chunk.toString();
  });
  child.stdin.on('error', () => {});
  const exit = new Promise<number | string | null>((resolve) => {
    child.on('close', (code, signal) => resolve(signal ?? code));
  });
  atEnd(owner, async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return {
    child,
    stderr: () => text.err,
    stdout: () => text.out,
    async ended() {
      const from = performance.now();
      return { code: await exit, ms: performance.now() - from };
    },
  };
}

async function until(is: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await is()); await delay(10)) {
    assert.ok(Date.now() < deadline, 'it never came to that');
  }
}

const LARGE = dockerArchive({
  names: ['large:1'],
  layers: [layerOf('one', bytesOf('one', 30_000_000)), layerOf('two', bytesOf('two', 30_000_000))],
});

async function halfWritten(home: string): Promise<readonly string[]> {
  const names = await readdir(home, { recursive: true }).catch(() => []);
  return names.filter((name) => /\.slipway\/(?:ingest|leases)\/|\.part$/.test(name));
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} in the middle of a push ends it within 2 s with 130, and no tag is there`, async (t) => {
    const { host, env, home, repository, requests, run } = await prepare(t);
    const archive = await fileOf(t, 'large.tar', LARGE);
    const push = ['push', '--progress', 'json', '--from', `docker-archive:${archive}`];
    const running = start(t, env, [...push, `${host}/large:1`]);
    await until(() => running.stderr().includes('"compress.progress"'));
    running.child.kill(signal);
    const { code, ms } = await running.ended();
    assert.equal(code, 130);
    await assertPrompt(ms, 2_000);
    assert.equal(running.stdout(), '');
    assert.match(
      running.stderr(),
      /interrupted; running the same command again goes on from here\n$/,
    );
    await assert.rejects(repository('large').resolve('1'), { code: 'NOT_FOUND' });
    assert.deepEqual(await halfWritten(home), []);
    if (signal !== 'SIGINT') return;
    requests.length = 0;
    const again = await run([...push.slice(0, 1), '-q', ...push.slice(3), `${host}/large:1`]);
    assert.equal(again.code, 0, again.stderr);
  });
}

test('SIGINT while standard input says nothing ends a load', async (t) => {
  const { env, home } = await prepareCommandLine(t);
  for (const begin of [Buffer.alloc(0), LARGE.subarray(0, 200_000)]) {
    const running = start(t, env, ['load']);
    running.child.stdin?.write(begin);
    // It says nothing until then: this is time to start, also where that takes longer.
    await delay(1_000 * (await slowness()));
    running.child.kill('SIGINT');
    const { code, ms } = await running.ended();
    assert.equal(code, 130, running.stderr());
    await assertPrompt(ms, 2_000);
    assert.deepEqual(await halfWritten(home), []);
  }
});

test('SIGINT leaves no part of an archive that was being written', async (t) => {
  const { env, must } = await prepareCommandLine(t);
  await must(['load', '-q', '-i', await fileOf(t, 'large.tar', LARGE)]);
  const folder = await tempDir(t);
  const running = start(t, env, ['save', '-o', path.join(folder, 'out.tar'), 'large:1']);
  await until(async () => (await readdir(folder)).length > 0);
  running.child.kill('SIGINT');
  const { code } = await running.ended();
  if (code === 0) assert.deepEqual(await readdir(folder), ['out.tar']);
  else {
    assert.equal(code, 130);
    assert.deepEqual(await readdir(folder), []);
  }
});

test('SIGINT ends the embedded registry with 0', async (t) => {
  const { env } = await prepareCommandLine(t);
  const running = start(t, env, ['registry', 'serve', '--listen', '127.0.0.1:0']);
  await until(() => /^listening on http:\/\/127\.0\.0\.1:\d+\n/.test(running.stdout()));
  running.child.kill('SIGINT');
  const { code, ms } = await running.ended();
  assert.equal(code, 0, running.stderr());
  await assertPrompt(ms, 3_000);
});

test('a reader that leaves early ends a list quietly', async (t) => {
  const { env, must } = await prepareCommandLine(t);
  await must(['load', '-q', '-i', await fileOf(t, 'app.tar', dockerArchive({ layers: LAYERS }))]);
  for (const args of [['images'], ['--help'], ['image', 'inspect', 'app:1']]) {
    const running = start(t, env, args);
    running.child.stdout?.destroy();
    const { code } = await running.ended();
    assert.equal(code, 0);
    assert.equal(running.stderr(), '');
  }
});

test('a push goes on when nobody reads what it tells', async (t) => {
  const { env, host, archive, repository } = await prepare(t);
  const push = ['push', '--from', `docker-archive:${archive}`, `${host}/app:1`];
  const running = start(t, env, push);
  running.child.stderr?.destroy();
  const { code } = await running.ended();
  assert.equal(code, 0);
  assert.match(running.stdout(), /@sha256:/);
  await repository('app').resolve('1');
});

test('kill -9 in a load leaves a store that works, and a second run finishes', async (t) => {
  const { env, home, must, run } = await prepareCommandLine(t);
  const archive = await fileOf(t, 'large.tar', LARGE);
  for (const afterMs of [300, 400, 500, 600, 700]) {
    const running = start(t, env, ['load', '-q', '-i', archive]);
    await delay(afterMs);
    running.child.kill('SIGKILL');
    await running.ended();
    const listed = await run(['images', '-q']);
    assert.equal(listed.code, 0, listed.stderr);
  }
  await must(['load', '-q', '-i', archive]);
  assert.deepEqual(await halfWritten(home), []);
  const { registry } = await testRegistry(t);
  await must(['tag', 'large:1', `${registry.host}/large:1`]);
  await must(['push', '-q', '--verify', `${registry.host}/large:1`]);
});
