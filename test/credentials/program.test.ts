import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { helperErase, helperGet, helperStore } from '../../src/credentials/program.ts';
import { isSlipwayError, type SlipwayError } from '../../src/errors.ts';
import { tempDir } from '../rig/lifetime.ts';
import { fakeHelper, SAYS_NOTHING, says } from './programs.ts';

const SERVER = 'r.example.org:5000';
const SECRET = 'hunter2-is-secret';

/** The failure, which must not tell the secret in any of its parts. */
async function failure(work: Promise<unknown>): Promise<SlipwayError> {
  const error = await work.then(
    () => assert.fail('it should fail'),
    (thrown: unknown) => thrown,
  );
  assert.ok(isSlipwayError(error), String(error));
  const told = [error.message, error.stack, error.hint, JSON.stringify(error.facts), error.cause];
  assert.ok(!told.map(String).join('\n').includes(SECRET));
  return error;
}

test('a helper is asked for a server and answers with a login', async (t) => {
  const helper = await fakeHelper(t, says('me', SECRET));
  const found = await helperGet(helper.name, SERVER, helper);
  assert.deepEqual(found, { username: 'me', password: SECRET });
  assert.deepEqual(await helper.calls(), [`get ${SERVER}`]);
});

test('the user <token> means that the secret is an identity token', async (t) => {
  const helper = await fakeHelper(t, says('<token>', SECRET));
  assert.deepEqual(await helperGet(helper.name, SERVER, helper), {
    username: '<token>',
    password: '',
    identityToken: SECRET,
  });
});

test('a helper that knows nothing, or says nothing, knows nobody', async (t) => {
  for (const script of [SAYS_NOTHING, says('', '')]) {
    const helper = await fakeHelper(t, script);
    assert.equal(await helperGet(helper.name, SERVER, helper), undefined, script);
  }
});

test('a login is handed to a helper on its standard input only', async (t) => {
  const helper = await fakeHelper(t, 'cat /proc/$$/cmdline /proc/$$/environ >"$HOME/seen"');
  const env = { ...helper.env, SLIPWAY_PASSWORD: SECRET, DOCKER_AUTH_CONFIG: SECRET };
  await helperStore(helper.name, SERVER, { username: 'me', password: SECRET }, { env });
  const seen = await readFile(path.join(helper.folder, 'seen'), 'latin1');
  assert.ok(!seen.includes(SECRET));
  assert.ok(seen.includes('HOME='));
  const login = { ServerURL: SERVER, Username: 'me', Secret: SECRET };
  assert.deepEqual(await helper.calls(), [`store ${JSON.stringify(login)}`]);
});

test('an identity token is stored as docker stores it', async (t) => {
  const helper = await fakeHelper(t, '');
  const token = { username: 'me', password: '', identityToken: SECRET };
  await helperStore(helper.name, SERVER, token, helper);
  const login = { ServerURL: SERVER, Username: '<token>', Secret: SECRET };
  assert.deepEqual(await helper.calls(), [`store ${JSON.stringify(login)}`]);
});

test('a login is erased, and one that is not there is no failure', async (t) => {
  const knows = await fakeHelper(t, '');
  assert.equal(await helperErase(knows.name, SERVER, knows), true);
  assert.deepEqual(await knows.calls(), [`erase ${SERVER}`]);
  const doesNot = await fakeHelper(t, SAYS_NOTHING);
  assert.equal(await helperErase(doesNot.name, SERVER, doesNot), false);
});

const FAILURES: Readonly<Record<string, string>> = {
  'fails with a secret on both its outputs': `echo ${SECRET}; echo ${SECRET} >&2; exit 1`,
  'kills itself': `echo ${SECRET}; kill -9 $$`,
  'answers no JSON': `echo ${SECRET}`,
  'answers something else than an object': `echo '["${SECRET}"]'`,
  'answers with numbers': `echo '{"Username":1,"Secret":"${SECRET}"}'`,
  'answers two objects': `${says('me', SECRET)}; ${says('you', SECRET)}`,
  'never stops printing': `yes ${SECRET}`,
};

for (const [what, script] of Object.entries(FAILURES)) {
  test(`a helper that ${what} is an error, and nothing of it is shown`, async (t) => {
    const helper = await fakeHelper(t, script);
    const error = await failure(helperGet(helper.name, SERVER, helper));
    assert.equal(error.code, 'COMMAND_FAILED');
    assert.match(error.message, /docker-credential-fake/);
  });
}

test('a helper that hangs is ended with all that it started', async (t) => {
  const helper = await fakeHelper(
    t,
    'sleep 1000 & echo $! >"$HOME/child"; echo $$ >"$HOME/self"; wait',
  );
  const error = await failure(helperGet(helper.name, SERVER, { ...helper, timeoutMs: 3_000 }));
  assert.equal(error.code, 'COMMAND_FAILED');
  assert.match(error.message, /within 3 s/);
  for (const file of ['child', 'self']) {
    // On a very slow machine it may not have come so far.
    const pid = Number(await readFile(path.join(helper.folder, file), 'utf8').catch(() => 0));
    while (await isAlive(pid)) await delay(20);
  }
});

/** A process that has ended but wasn't waited for is none. */
async function isAlive(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return status !== '' && !/\) Z /.test(status);
}

test('a helper ends when the work is given up', async (t) => {
  const helper = await fakeHelper(t, 'echo $$ >"$HOME/self"; sleep 1000');
  const stopping = new AbortController();
  const asked = helperGet(helper.name, SERVER, { ...helper, signal: stopping.signal });
  asked.catch(() => {});
  let pid = 0;
  while (pid === 0) {
    await delay(20);
    pid = Number(await readFile(path.join(helper.folder, 'self'), 'utf8').catch(() => '0'));
  }
  stopping.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
  while (await isAlive(pid)) await delay(20);
});

test('a helper may leave something running behind it', async (t) => {
  const helper = await fakeHelper(
    t,
    `setsid sleep 40 & echo $! >"$HOME/left"; ${says('me', SECRET)}`,
  );
  // It holds the pipe, which is not waited for.
  assert.equal((await helperGet(helper.name, SERVER, helper))?.username, 'me');
  process.kill(Number(await readFile(path.join(helper.folder, 'left'), 'utf8')), 'SIGKILL');
});

test('a name that no helper can have is refused, and nothing run', async (t) => {
  const folder = await tempDir(t);
  for (const name of [
    '../../x',
    'a b',
    'x;y',
    '',
    'x'.repeat(200),
    '-x',
    'A',
    'x/y',
    'x\n',
    '.x',
  ]) {
    const error = await failure(helperGet(name, SERVER, { env: { PATH: folder } }));
    assert.equal(error.code, 'CONFIG_INVALID', name);
  }
});

test('a helper is looked for in the absolute folders of PATH only', async (t) => {
  const helper = await fakeHelper(t, says('me', SECRET));
  const before = process.cwd();
  process.chdir(helper.folder);
  t.after(() => process.chdir(before));
  for (const PATH of ['', '.', ':', `:.:${path.basename(helper.folder)}`, '../bin']) {
    const error = await failure(helperGet(helper.name, SERVER, { env: { PATH } }));
    assert.equal(error.code, 'CONFIG_INVALID', PATH);
    assert.match(error.message, /docker-credential-fake isn't there/);
  }
  const found = await helperGet(helper.name, SERVER, { env: { PATH: `.:${helper.env.PATH}` } });
  assert.equal(found?.username, 'me');
  // Neither what can't be run nor a folder is a program.
  await chmod(helper.program, 0o644);
  await mkdir(path.join(helper.folder, 'docker-credential-folder'));
  for (const name of ['fake', 'folder']) {
    assert.equal((await failure(helperGet(name, SERVER, helper))).code, 'CONFIG_INVALID');
  }
});

test('a helper that others can write is not run', async (t) => {
  const helper = await fakeHelper(t, says('me', SECRET));
  const refused = async () => {
    const error = await failure(helperGet(helper.name, SERVER, helper));
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.match(error.message, /others can write/);
  };
  await chmod(helper.program, 0o777);
  await refused();
  await chmod(helper.program, 0o755);
  await chmod(helper.folder, 0o777);
  await refused();
  await chmod(helper.folder, 0o755);
  // Where a link leads counts, too.
  const open = path.join(await tempDir(t), 'open');
  await mkdir(open);
  await chmod(open, 0o777);
  await writeFile(path.join(open, 'real'), '#!/bin/sh\n', { mode: 0o755 });
  await symlink(path.join(open, 'real'), path.join(helper.folder, 'docker-credential-linked'));
  const error = await failure(helperGet('linked', SERVER, helper));
  assert.match(error.message, /others can write/);
  assert.deepEqual(await helper.calls(), []);
});

test('a server whose name holds control characters is not asked for', async (t) => {
  const helper = await fakeHelper(t, says('me', SECRET));
  for (const server of ['a\nb', 'a\rb', 'a\0b', 'a b', 'a\x7f']) {
    assert.equal((await failure(helperGet(helper.name, server, helper))).code, 'CONFIG_INVALID');
    assert.equal((await failure(helperErase(helper.name, server, helper))).code, 'CONFIG_INVALID');
  }
  assert.deepEqual(await helper.calls(), []);
});
