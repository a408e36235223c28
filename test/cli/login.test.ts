import assert from 'node:assert/strict';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { fakeHelper, SAYS_NOTHING } from '../credentials/programs.ts';
import { startFakeRegistry } from '../registry/fake-registry.ts';
import { tokenService } from '../registry/token-service.ts';
import { htpasswd, startDockerRegistry } from '../rig/docker-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { missing } from '../rig/programs.ts';
import { atTerminal } from '../rig/terminal.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { expectFailure } from './failure.ts';
import { type CommandLine, prepareCommandLine } from './in-process.ts';

const PASSWORD = 'hunter2-right';
const WRONG = 'hunter2-wrong';
const me = (password: string) => ['-u', 'me', '-p', password];

/** The docker config of a home, and what stands in it. */
const configOf = ({ env }: CommandLine) => path.join(env.DOCKER_CONFIG ?? '', 'config.json');
const textOf = (slipway: CommandLine) => readFile(configOf(slipway), 'utf8');

async function writeConfig(slipway: CommandLine, content: unknown): Promise<void> {
  await mkdir(path.dirname(configOf(slipway)), { recursive: true });
  await writeFile(configOf(slipway), JSON.stringify(content), { mode: 0o600 });
}

describe('login', { skip: missing('docker-registry', 'htpasswd') }, () => {
  let host: string;
  before(async () => {
    ({ host } = await startDockerRegistry(THIS_FILE, { users: { me: PASSWORD } }));
  });

  it('keeps a login that the registry took, in docker’s file, for its owner only', async (t) => {
    const slipway = await prepareCommandLine(t);
    const { code, stdout, stderr } = await slipway.program.run(
      ['login', '--username', 'me', '--password-stdin', host],
      { stdin: `${PASSWORD}\n` },
    );
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'Login Succeeded\n');
    assert.ok(stderr.includes(`stored unencrypted in '${configOf(slipway)}'`));
    const auth = Buffer.from(`me:${PASSWORD}`).toString('base64');
    assert.deepEqual(JSON.parse(await textOf(slipway)), { auths: { [host]: { auth } } });
    assert.equal((await stat(configOf(slipway))).mode & 0o777, 0o600);
    // What was kept is tried again, without being asked for anything.
    const again = await slipway.run(['login', host]);
    assert.equal(again.stdout, 'Login Succeeded\n');
    assert.match(again.stderr, /^Authenticating with existing credentials\.\.\. \[Username: me\]/);
    assert.deepEqual(await slipway.must(['logout', host]), [
      `Removing login credentials for ${host}`,
    ]);
    assert.deepEqual(JSON.parse(await textOf(slipway)), { auths: {} });
    // Once more is no failure.
    await slipway.must(['logout', host]);
  });

  it('keeps nothing that the registry refused', async (t) => {
    const slipway = await prepareCommandLine(t);
    const result = await slipway.run(['login', ...me(WRONG), host]);
    expectFailure(result, { code: 10, says: /refused the login of "me"/ });
    assert.ok(!result.stderr.includes(WRONG));
    await assert.rejects(textOf(slipway), { code: 'ENOENT' });
    // Also where another login was kept: it stays.
    await slipway.must(['login', ...me(PASSWORD), host]);
    const before = await textOf(slipway);
    assert.equal((await slipway.run(['login', ...me(WRONG), host])).code, 10);
    assert.equal(await textOf(slipway), before);
  });

  it('warns of a password on the command line, and takes it', async (t) => {
    const slipway = await prepareCommandLine(t);
    const { code, stderr } = await slipway.run(['login', ...me(PASSWORD), host]);
    assert.equal(code, 0);
    const warning = 'WARNING! Using --password via the CLI is insecure. Use --password-stdin.';
    assert.ok(stderr.split('\n').includes(warning));
    // Half of what other commands would take as a login is nothing to this one.
    const env = { SLIPWAY_PASSWORD: PASSWORD };
    const read = await slipway.program.run(['login', ...me('-'), host], { stdin: PASSWORD, env });
    assert.equal(read.code, 0);
    assert.doesNotMatch(read.stderr, /insecure/);
  });

  it('takes an e-mail address and says that it does nothing with it', async (t) => {
    const slipway = await prepareCommandLine(t);
    const args = ['login', '-e', 'me@example.org', ...me(PASSWORD), host];
    const { code, stderr } = await slipway.run(args);
    assert.equal(code, 0);
    assert.match(stderr, /--email is ignored/);
    assert.doesNotMatch(await textOf(slipway), /example\.org/);
  });

  it('keeps a login in the file of --authfile, and forgets it there', async (t) => {
    const slipway = await prepareCommandLine(t);
    const file = path.join(await tempDir(t), 'new', 'auth.json');
    await slipway.must(['login', '--authfile', file, ...me(PASSWORD), host]);
    assert.ok(Object.hasOwn(JSON.parse(await readFile(file, 'utf8')).auths, host));
    await assert.rejects(textOf(slipway), { code: 'ENOENT' });
    assert.equal((await slipway.run(['ls', `${host}/none`, '--authfile', file])).code, 12);
    assert.equal((await slipway.run(['ls', `${host}/none`])).code, 10);
    await slipway.must(['logout', '--authfile', file, host]);
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { auths: {} });
  });

  it('is not needed where --creds or variables say who it is', async (t) => {
    const slipway = await prepareCommandLine(t);
    const list = (...more: readonly string[]) => slipway.run(['ls', `${host}/none`, ...more]);
    assert.equal((await list()).code, 10);
    const given = await list('--creds', `me:${PASSWORD}`);
    assert.equal(given.code, 12);
    assert.match(given.stderr, /warning: a password on the command line is insecure/);
    assert.equal((await list('--creds', `${host}=me:${PASSWORD}`)).code, 12);
    assert.equal((await list('--creds', `other.example.org=me:${PASSWORD}`)).code, 10);
    const wrong = await list('--creds', `me:${WRONG}`);
    assert.equal(wrong.code, 10);
    assert.ok(!wrong.stderr.includes(WRONG));
    const variables = { SLIPWAY_USERNAME: 'me', SLIPWAY_PASSWORD: PASSWORD };
    const read = await slipway.program.run(['ls', `${host}/none`], { env: variables });
    assert.equal(read.code, 12);
  });

  it('asks at a terminal and shows no password', { skip: missing('script') }, async (t) => {
    const slipway = await prepareCommandLine(t);
    const run = (args: readonly string[], answers: readonly (readonly [RegExp, string])[]) =>
      atTerminal([process.execPath, MAIN, ...args], slipway.env, answers);
    // What is kept no longer works: it says so and asks.
    await slipway.knowPasswords({ [host]: `me:${WRONG}` });
    const { code, shown } = await run(
      ['login', host],
      [
        [/Username \(me\): $/, '\n'],
        [/Password: $/, `${PASSWORD}\n`],
      ],
    );
    assert.match(shown, /Login did not succeed, error: /);
    assert.match(shown, /Username \(me\): [\r\n]+Password: [\r\n]+/);
    assert.match(shown, /Login Succeeded/);
    assert.ok(!shown.includes(PASSWORD));
    assert.equal(code, 0);
    await slipway.must(['logout', host]);
    const first = await run(
      ['login', host],
      [
        [/Username: $/, 'me\n'],
        [/Password: $/, `${PASSWORD}\n`],
      ],
    );
    assert.match(first.shown, /Username: me[\r\n]+Password: [\r\n]+/);
    assert.equal(first.code, 0, first.shown);
    const creds = await run(
      ['ls', `${host}/none`, '--creds', 'me'],
      [[/Password of "me": $/, `${PASSWORD}\n`]],
    );
    assert.equal(creds.code, 12, creds.shown);
    assert.ok(!creds.shown.includes(PASSWORD));
    const stopped = await run(['login', '-u', 'me', host], [[/Password: $/, '\u0003']]);
    assert.equal(stopped.code, 130, stopped.shown);
    const ended = await run(['login', '-u', 'me', host], [[/Password: $/, '\u0004']]);
    assert.equal(ended.code, 2, ended.shown);
  });

  it('lets a credential helper keep the login where one is configured', async (t) => {
    const slipway = await prepareCommandLine(t);
    const helper = await fakeHelper(
      t,
      `file="$SLIPWAY_HOME.kept"
case $1 in
  store) printf %s "$input" >"$file" ;;
  get) if [ -f "$file" ] && grep -q "\\"$input\\"" "$file"; then cat "$file"; else ${SAYS_NOTHING}; fi ;;
  erase) rm "$file" ;;
esac`,
    );
    usePath(t, helper.env.PATH);
    const old = { auth: Buffer.from('me:old').toString('base64') };
    await writeConfig(slipway, { credsStore: 'fake', auths: { [host]: old, other: old } });
    const { code, stderr } = await slipway.run(['login', ...me(PASSWORD), host]);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /unencrypted/);
    // The old one in the file is gone, others are not.
    assert.deepEqual(JSON.parse(await textOf(slipway)).auths, { other: old });
    assert.equal((await slipway.run(['ls', `${host}/none`])).code, 12);
    await slipway.must(['logout', host]);
    assert.equal((await slipway.run(['ls', `${host}/none`])).code, 10);
  });

  it('says what is wrong with a helper, and goes nowhere else', async (t) => {
    const slipway = await prepareCommandLine(t);
    await writeConfig(slipway, { credsStore: 'missing' });
    const login = ['login', ...me(PASSWORD), host];
    const says = /docker-credential-missing isn't there/;
    expectFailure(await slipway.run(login), { code: 2, says });
    expectFailure(await slipway.run(['ls', `${host}/none`]), { code: 2, says });
    const helper = await fakeHelper(t, `echo ${PASSWORD}; exit 1`);
    usePath(t, helper.env.PATH);
    await writeConfig(slipway, { credsStore: 'fake' });
    const failed = await slipway.run(login);
    expectFailure(failed, { code: 20, says: /docker-credential-fake ended with status 1/ });
    assert.ok(!failed.stderr.includes(PASSWORD));
    const erased = await slipway.run(['logout', host]);
    assert.equal(erased.code, 20);
    assert.match(erased.stderr, /could not erase credentials:/);
    const hanging = await fakeHelper(t, 'sleep 1000', 'hanging');
    usePath(t, hanging.env.PATH);
    await writeConfig(slipway, { credsStore: 'hanging' });
    const waited = await slipway.run(['ls', `${host}/none`, '--helper-timeout', '0.5']);
    expectFailure(waited, { code: 20, says: /didn't answer within 0\.5 s/ });
  });

  it('works with the embedded registry, and says where nothing is checked', async (t) => {
    const slipway = await prepareCommandLine(t);
    const users = path.join(await tempDir(t), 'users');
    await writeFile(users, await htpasswd({ me: PASSWORD }));
    const own = await slipway.serve(['--htpasswd', users]);
    assert.equal((await slipway.run(['login', ...me(WRONG), own])).code, 10);
    await slipway.must(['login', ...me(PASSWORD), own]);
    assert.equal((await slipway.run(['ls', `${own}/none`])).code, 12);
    const open = await slipway.serve();
    const { code, stderr } = await slipway.run(['login', ...me(PASSWORD), open]);
    assert.equal(code, 0);
    assert.match(stderr, /lets everybody in: the password was not checked/);
  });
});

/** This process looks for helpers there, until the test has ended. */
function usePath(t: { after(cleanUp: () => void): void }, searchPath = ''): void {
  const before = process.env.PATH;
  process.env.PATH = searchPath;
  t.after(() => {
    process.env.PATH = before;
  });
}

describe('a login service that gives identity tokens', () => {
  it('its token is kept in place of the password, and used', async (t) => {
    const slipway = await prepareCommandLine(t);
    const service = tokenService({
      password: 'identity-token',
      quirk: (call, { query, form, authorization }) => {
        const isKnown = authorization !== undefined && query.get('offline_token') === 'true';
        const isFrontPage =
          form.get('refresh_token') === 'identity-token' && !form.get('scope')?.includes('team');
        if (!isKnown && !isFrontPage) return false;
        const more = isKnown ? { refresh_token: 'identity-token' } : {};
        call.answer(200, {}, { token: 'good', ...more });
        return true;
      },
    });
    const { host } = await startFakeRegistry(t, async (call) => {
      if (call.request.headers.authorization !== 'Bearer good') return await service.quirk(call);
      call.answer(200, {}, {});
      return true;
    });
    await slipway.must(['login', ...me(PASSWORD), host]);
    const text = await textOf(slipway);
    const auth = Buffer.from('me:').toString('base64');
    const kept = { auth, identitytoken: 'identity-token' };
    assert.deepEqual(JSON.parse(text), { auths: { [host]: kept } });
    await slipway.must(['ls', `${host}/team/app`]);
    const { method, form } = service.asked.at(-1) ?? assert.fail();
    assert.equal(method, 'POST');
    assert.equal(form.get('refresh_token'), 'identity-token');
    // Logging in with what is kept keeps it.
    assert.match((await slipway.run(['login', host])).stdout, /Login Succeeded/);
    assert.deepEqual(JSON.parse(await textOf(slipway)), { auths: { [host]: kept } });
  });
});

describe('what can be wrong with a login', () => {
  const ROWS: Readonly<Record<string, readonly [args: string[], says: RegExp]>> = {
    'both kinds of password': [
      ['-u', 'me', '-p', 'x', '--password-stdin'],
      /cannot specify both --password and --password-stdin/,
    ],
    'a password without a name': [
      ['--password-stdin'],
      /--password-stdin option requires --username to be set/,
    ],
    'an empty name': [['-u', '', '-p', 'x'], /username is empty/],
    'a name with a colon': [['-u', 'a:b', '-p', 'x'], /username cannot contain colons/],
    'an empty password': [['-u', 'me', '-p', ' '], /password is empty/],
  };
  for (const [what, [args, says]] of Object.entries(ROWS)) {
    it(`${what} is an error before anything is sent`, async (t) => {
      const slipway = await prepareCommandLine(t);
      const result = await slipway.run(['login', ...args, '127.0.0.1:1']);
      assert.match(result.stderr, says);
      assert.equal(result.code, 2);
      assert.equal(result.stdout, '');
    });
  }

  it('where nobody can be asked, it says what to do instead', async (t) => {
    const { program } = await prepareCommandLine(t);
    const result = await program.run(['login', '127.0.0.1:1']);
    const says = /cannot perform an interactive login from a non-TTY device/;
    expectFailure(result, { code: 2, says });
  });

  it('a registry that is not there is the network’s failure', async (t) => {
    const slipway = await prepareCommandLine(t);
    const result = await slipway.run(['login', ...me('x'), '--retries', '0', '127.0.0.1:1']);
    assert.equal(result.code, 16);
    assert.match(result.stderr, /refused the connection/);
  });

  it('a file that cannot be used is not replaced', async (t) => {
    const slipway = await prepareCommandLine(t);
    const open = await slipway.serve();
    for (const text of ['{"auths":', '[]', '{"auths":{},"auths":{}}', '{"auths":[]}']) {
      await mkdir(path.dirname(configOf(slipway)), { recursive: true });
      await writeFile(configOf(slipway), text);
      const result = await slipway.run(['login', ...me('x'), open]);
      assert.equal(result.code, 2, text);
      assert.equal(await textOf(slipway), text);
    }
  });
});
