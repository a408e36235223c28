import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hash } from 'bcryptjs';
import { isSlipwayError } from '../../src/errors.ts';
import { startRegistry } from '../../src/server/registry.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { startRig, temporaryFolder } from './rig.ts';

const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

async function passwordFile(t: TestContext, lines?: readonly string[]): Promise<string> {
  const path = join(await temporaryFolder(t), 'htpasswd');
  const bcrypt = async (password: string) => (await hash(password, 4)).replace('$2b$', '$2y$');
  const users = [`ada:${await bcrypt('sécret:1')}`, `bob:${await bcrypt('other')}`];
  await writeFile(path, `${(lines ?? ['# users', '', ...users]).join('\n')}\n`);
  return path;
}

test('a login is checked with bcrypt once, and remembered', async (t) => {
  const slow = `eve:${(await hash('pass', 10)).replace('$2b$', '$2y$')}`;
  const rig = await startRig(t, { htpasswd: await passwordFile(t, [slow]) });
  const ask = async (password: string) => {
    const before = process.cpuUsage();
    const headers = { authorization: basic('eve', password) };
    const { status } = await rig.ask('GET', '/v2/', { headers });
    return { status, cpuMicros: process.cpuUsage(before).user };
  };
  const first = await ask('pass');
  assert.equal(first.status, 200);
  // Processor time, not time on the clock: it doesn't depend on what else the machine does.
  let cpuMicros = 0;
  for (let count = 0; count < 20; count++) {
    const again = await ask('pass');
    assert.equal(again.status, 200);
    cpuMicros += again.cpuMicros;
  }
  assert.ok(cpuMicros < 10 * first.cpuMicros, 'no bcrypt again');
  assert.equal((await ask('Pass')).status, 401);
});

test('a flood of wrong logins starves nobody who is logged in', async (t) => {
  const slow = `eve:${(await hash('pass', 8)).replace('$2b$', '$2y$')}`;
  const rig = await startRig(t, { htpasswd: await passwordFile(t, [slow]) });
  const ask = async (password: string) =>
    (await rig.ask('GET', '/v2/', { headers: { authorization: basic('eve', password) } })).status;
  assert.equal(await ask('pass'), 200);
  let answered = 0;
  const flood = Array.from({ length: 60 }, async (_, index) => {
    const status = await ask(`guess ${index}`);
    answered++;
    assert.ok(status === 401 || status === 429);
  });
  assert.equal(await ask('pass'), 200);
  assert.ok(answered < 30, `${answered} guesses were answered first`);
  await Promise.all(flood);
});

test('password files that cannot be trusted stop the start', async (t) => {
  const good = `ada:${await hash('x', 4)}`;
  const dir = await temporaryFolder(t);
  await mkdir(join(dir, 'folder'));
  const files = [join(dir, 'missing'), join(dir, 'folder')];
  for (const lines of [
    [],
    ['', '# nobody'],
    ['ada'],
    [':$2y$05$'],
    ['ada:plain'],
    ['ada:$apr1$abcdefgh$0123456789012345678901'],
    ['ada:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g='],
    [good, 'bob:'],
    [good, good],
    [good.replace('$04$', '$31$')],
    ['x'.repeat(2 * 1024 * 1024)],
  ]) {
    files.push(await passwordFile(t, lines));
  }
  for (const htpasswd of files) {
    await assert.rejects(
      startRegistry({ htpasswd }).then((registry) => registry.close()),
      (error) => {
        assert.ok(isSlipwayError(error, 'CONFIG_INVALID'), String(error));
        assert.ok(!error.message.includes('$2'), 'no hash is printed');
        return true;
      },
      htpasswd,
    );
  }
});

test('what htpasswd -B writes is understood', { skip: missing('htpasswd') }, async (t) => {
  const path = join(await temporaryFolder(t), 'htpasswd');
  await mustRun('htpasswd', ['-B', '-b', '-c', path, 'carol', 'p4ss']);
  const rig = await startRig(t, { htpasswd: path });
  const headers = { authorization: basic('carol', 'p4ss') };
  assert.equal((await rig.ask('GET', '/v2/', { headers })).status, 200);
});
