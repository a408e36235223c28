import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LONG } from '../rig/long.ts';
import { MAIN } from '../rig/main.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';

const OTHERS = Object.fromEntries(
  Array.from({ length: 40 }, (_, index) => [
    `h${index}.example.org`,
    { auth: Buffer.from(`u${index}:${'x'.repeat(100)}`).toString('base64') },
  ]),
);
const STORE = new URL('../../src/credentials/kept-logins.ts', import.meta.url).href;
/** Logs in again and again, each time with another password. */
const SCRIPT = `const { storeLogin } = await import(${JSON.stringify(STORE)});
process.stdout.write('ready');
for (let at = 0; ; at++) await storeLogin(process.argv[1], 'own.example.org', { username: 'me', password: 'p' + at });`;

/** Starts a program, and kills it when it has said something and some time has passed. */
async function killed(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  afterMs: () => number,
): Promise<void> {
  const child = spawn(process.execPath, args, { env: { PATH: process.env.PATH, ...env } });
  const ended = new Promise((resolve) => child.on('close', resolve));
  child.stdin.end('hunter2');
  const said = new Promise((resolve) => {
    child.stdout.once('data', resolve);
    child.stderr.once('data', resolve);
  });
  await Promise.race([said, ended]);
  await delay(afterMs());
  child.kill('SIGKILL');
  await ended;
}

async function configWithOthers(slipway: Slipway): Promise<string> {
  const file = path.join(slipway.env.DOCKER_CONFIG ?? '', 'config.json');
  await mkdir(path.dirname(file), { recursive: true });
  const all = { credHelpers: {}, auths: OTHERS, detachKeys: 'ctrl-e,e' };
  await writeFile(file, JSON.stringify(all, null, '\t'), { mode: 0o600 });
  return file;
}

async function checkWhole(file: string, own: string): Promise<void> {
  const { auths, ...rest } = JSON.parse(await readFile(file, 'utf8'));
  const { [own]: _, ...others } = auths;
  assert.deepEqual(others, OTHERS);
  assert.deepEqual(rest, { credHelpers: {}, detachKeys: 'ctrl-e,e' });
}

test('a login that is killed while it writes leaves the file whole', async (t) => {
  const slipway = await prepareSlipway(t);
  const file = await configWithOthers(slipway);
  for (let kill = 0; kill < (LONG ? 200 : 12); kill++) {
    const args = ['--input-type=module', '-e', SCRIPT, file];
    await killed(args, slipway.env, () => Math.random() * 40);
    await checkWhole(file, 'own.example.org');
  }
});

test('the command, killed at any time, leaves the file whole and can be run again', async (t) => {
  const slipway = await prepareSlipway(t);
  const file = await configWithOthers(slipway);
  const host = await slipway.serve();
  const login = ['login', '-u', 'me', '--password-stdin', host];
  for (let kill = 0; kill < (LONG ? 200 : 2); kill++) {
    // It says something just before it stores the login, and ends soon after.
    await killed([MAIN, ...login], slipway.env, () => Math.random() * 15);
    await checkWhole(file, host);
  }
  const { code, stderr } = await slipway.run(login, { stdin: 'hunter2' });
  assert.equal(code, 0, stderr);
  await checkWhole(file, host);
  assert.ok(Object.hasOwn(JSON.parse(await readFile(file, 'utf8')).auths, host));
});
