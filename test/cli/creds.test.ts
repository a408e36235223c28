import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { startFakeRegistry } from '../registry/fake-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { dockerArchive, fileOf } from './archives.ts';
import { expectFailure } from './failure.ts';
import { prepareCommandLine } from './in-process.ts';
import { LAYERS } from './scene.ts';

const CHALLENGE = { 'www-authenticate': 'Basic realm="test"' };

/** A registry that lets nobody in, and the logins that it was offered. */
async function curious(t: Parameters<typeof startFakeRegistry>[0]) {
  const offered: string[] = [];
  const { host } = await startFakeRegistry(t, async (call) => {
    await call.body();
    const { authorization } = call.request.headers;
    if (authorization !== undefined) {
      offered.push(Buffer.from(authorization.replace('Basic ', ''), 'base64').toString());
    }
    call.answer(401, CHALLENGE, {});
    return true;
  });
  return { host, offered };
}

test('--creds is taken apart at its first =, where a host stands before it, and its first :', async (t) => {
  const { run } = await prepareCommandLine(t);
  const { host, offered } = await curious(t);
  for (const [creds, login] of [
    ['me:secret', 'me:secret'],
    ['me:sec:ret', 'me:sec:ret'],
    ['me:sec=ret', 'me:sec=ret'],
    ['me:1234=secret', 'me:1234=secret'],
    ['a=b:secret', 'a=b:secret'],
    [`${host}=me:secret`, 'me:secret'],
    [`${host}=me:sec=ret`, 'me:sec=ret'],
    ['r.example.org=me:secret', undefined],
    ['r.example.org:5000=me:secret', undefined],
  ] as const) {
    offered.length = 0;
    const { code, stderr } = await run(['ls', `${host}/a`, '--creds', creds]);
    assert.equal(code, 10, stderr);
    assert.equal(offered.at(-1), login, creds);
    assert.doesNotMatch(stderr, /secret/);
  }
});

test('--creds without a name or a password is wrong usage', async (t) => {
  const { run } = await prepareCommandLine(t);
  for (const creds of ['', ':x', 'me:', 'r.example.org=', 'r.example.org=:x', 'me']) {
    const result = await run(['ls', '127.0.0.1:1/a', '--creds', creds]);
    expectFailure(result, { code: 2, says: /--creds/ });
  }
});

test('one login for two registries is wrong usage, and no registry learns it', async (t) => {
  const { run } = await prepareCommandLine(t);
  const [one, two] = [await curious(t), await curious(t)];
  const archive = await fileOf(t, 'app.tar', dockerArchive({ names: ['app:1'], layers: LAYERS }));
  const [a, b] = [`${one.host}/app:1`, `${two.host}/app:1`];
  for (const args of [
    ['push', '--from', `docker-archive:${archive}`, a, b],
    ['push', '--from', `docker://${a}`, b],
    ['copy', `docker://${a}`, `docker://${b}`],
    ['index', 'create', a, `docker://${b}`],
  ]) {
    const result = await run([...args, '--creds', 'me:secret']);
    expectFailure(result, { code: 2, says: /doesn't say for which registry, and there is 2/ });
  }
  assert.deepEqual([...one.offered, ...two.offered], []);
  const both = ['--creds', `${one.host}=me:one-1`, '--creds', `${two.host}=me:two-2`];
  const result = await run(['copy', '--retries', '0', `docker://${a}`, `docker://${b}`, ...both]);
  assert.equal(result.code, 10, result.stderr);
  assert.ok(one.offered.length > 0);
  assert.ok(one.offered.every((login) => login === 'me:one-1'));
  assert.ok(two.offered.every((login) => login === 'me:two-2'));
});

test('a plan holds no login', async (t) => {
  const { run, serve } = await prepareCommandLine(t);
  const host = await serve();
  const archive = await fileOf(t, 'app.tar', dockerArchive({ names: ['app:1'], layers: LAYERS }));
  const file = path.join(await tempDir(t), 'plan.json');
  const push = ['push', '--from', `docker-archive:${archive}`, `${host}/app:1`];
  for (const creds of [['--creds', 'me:secret'], ['--creds=me:secret']]) {
    const planned = await run(['plan', ...push, ...creds, '--resolve', '--plan-out', file]);
    assert.equal(planned.code, 0, planned.stderr);
    assert.doesNotMatch(await readFile(file, 'utf8'), /secret|creds|\*\*\*/);
  }
  const applied = await run(['push', '--plan', file, '--creds', 'me:secret']);
  assert.equal(applied.code, 0, applied.stderr);
});
