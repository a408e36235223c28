import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { dockerConfigCredentials } from '../../src/credentials/config-credentials.ts';
import { accountOf, firstOf } from '../../src/credentials/credential.ts';
import { type CredentialOptions, findCredentials } from '../../src/credentials/sources.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { tempDir } from '../rig/lifetime.ts';
import { fakeHelper, SAYS_NOTHING, says } from './programs.ts';

const HOST = 'r.example.org';
const auths = (...users: readonly string[]) => ({
  auths: Object.fromEntries(
    users.map((user) => {
      const [name = '', key = HOST] = user.split('@');
      return [key, { auth: Buffer.from(`${name}:x`).toString('base64') }];
    }),
  ),
});

/** A home with nothing in it but what is written there. */
async function emptyHome(t: TestContext) {
  const home = await tempDir(t);
  const env: Record<string, string> = { HOME: home, XDG_RUNTIME_DIR: path.join(home, 'run') };
  const write = async (file: string, content: unknown): Promise<string> => {
    const at = path.join(home, file);
    await mkdir(path.dirname(at), { recursive: true });
    await writeFile(at, JSON.stringify(content), { mode: 0o600 });
    return at;
  };
  const who = async (
    options: CredentialOptions = {},
    repository = `${HOST}/team/app`,
  ): Promise<string | undefined> => {
    const lookup = findCredentials({ env, hosts: [HOST], ...options });
    return (await lookup(parseRepository(repository)))?.username;
  };
  return { home, env, write, who };
}

test('the first source that knows answers, in the documented order', async (t) => {
  const { env, write, who } = await emptyHome(t);
  assert.equal(await who(), undefined);
  await write('.config/containers/auth.json', auths('podman'));
  assert.equal(await who(), 'podman');
  await write('run/containers/auth.json', auths('session'));
  assert.equal(await who(), 'session');
  await write('.docker/config.json', auths('docker'));
  assert.equal(await who(), 'docker');
  env.DOCKER_CONFIG = path.dirname(await write('elsewhere/config.json', auths('elsewhere')));
  assert.equal(await who(), 'elsewhere');
  env.REGISTRY_AUTH_FILE = await write('named.json', auths('named'));
  assert.equal(await who(), 'named');
  env.DOCKER_AUTH_CONFIG = JSON.stringify(auths('variable'));
  assert.equal(await who(), 'variable');
  Object.assign(env, { CI_REGISTRY: HOST, CI_JOB_TOKEN: 'x' });
  assert.equal(await who(), 'gitlab-ci-token');
  Object.assign(env, { CI_REGISTRY_USER: 'gitlab', CI_REGISTRY_PASSWORD: 'x' });
  assert.equal(await who(), 'gitlab');
  const more = [async () => ({ username: 'more', password: 'x' })];
  assert.equal(await who({ more }), 'more');
  Object.assign(env, { SLIPWAY_USERNAME: 'slipway', SLIPWAY_PASSWORD: 'x' });
  assert.equal(await who({ more }), 'slipway');
  const authfile = await write('given.json', auths('authfile'));
  assert.equal(await who({ more, authfile }), 'authfile');
  const given = [{ username: 'given', password: 'x' }];
  assert.equal(await who({ more, authfile, given }), 'given');
});

test('a source that does not know the registry is passed over', async (t) => {
  const { env, write, who } = await emptyHome(t);
  await write('.config/containers/auth.json', auths('podman'));
  await write('.docker/config.json', auths('docker@other.example.org'));
  env.REGISTRY_AUTH_FILE = await write('named.json', auths('named@other.example.org'));
  env.DOCKER_AUTH_CONFIG = JSON.stringify(auths('variable@other.example.org'));
  Object.assign(env, { CI_REGISTRY: 'other.example.org', CI_JOB_TOKEN: 'x' });
  Object.assign(env, { SLIPWAY_USERNAME: 'u', SLIPWAY_PASSWORD: 'x' });
  env.SLIPWAY_REGISTRY = 'other.example.org';
  const given = [{ host: 'other.example.org', username: 'given', password: 'x' }];
  assert.equal(await who({ given }), 'podman');
  assert.equal(await who({ given }, 'other.example.org/a'), 'given');
});

test('an empty variable is none', async (t) => {
  const { env, write, who } = await emptyHome(t);
  await write('.docker/config.json', auths('docker'));
  for (const name of [
    'SLIPWAY_USERNAME',
    'SLIPWAY_PASSWORD',
    'SLIPWAY_REGISTRY',
    'CI_REGISTRY',
    'CI_JOB_TOKEN',
    'DOCKER_AUTH_CONFIG',
    'REGISTRY_AUTH_FILE',
    'DOCKER_CONFIG',
  ]) {
    env[name] = '';
  }
  assert.equal(await who(), 'docker');
});

test('the token of a GitLab job goes to the registry of its GitLab and to no other', async (t) => {
  const { env, who } = await emptyHome(t);
  Object.assign(env, { CI_REGISTRY: 'registry.gitlab.example:5050', CI_JOB_TOKEN: 'x' });
  assert.equal(await who({}, 'registry.gitlab.example:5050/a'), 'gitlab-ci-token');
  for (const other of [
    'registry.gitlab.example/a',
    'registry.gitlab.example:5051/a',
    'registry.gitlab.example.evil.test:5050/a',
    'evil-registry.gitlab.example:5050/a',
    'localhost/registry.gitlab.example',
  ]) {
    assert.equal(await who({}, other), undefined, other);
  }
  env.WERF_IGNORE_CI_DOCKER_AUTOLOGIN = '1';
  assert.equal(await who({}, 'registry.gitlab.example:5050/a'), undefined);
});

test('a login without a host is for the only registry at hand, else it is an error', async (t) => {
  const { env, who } = await emptyHome(t);
  const given = [{ username: 'given', password: 'x' }];
  assert.equal(await who({ given, hosts: [HOST, HOST] }), 'given');
  assert.equal(await who({ given, hosts: [HOST] }, 'other.example.org/a'), undefined);
  for (const hosts of [[], [HOST, 'other.example.org']]) {
    assert.throws(() => findCredentials({ env, given, hosts }), { code: 'USAGE' });
  }
  Object.assign(env, { SLIPWAY_USERNAME: 'slipway', SLIPWAY_PASSWORD: 'x' });
  assert.throws(() => findCredentials({ env, hosts: [HOST, 'b.example.org'] }), { code: 'USAGE' });
  env.SLIPWAY_REGISTRY = HOST;
  assert.equal(await who({ hosts: [HOST, 'b.example.org'] }), 'slipway');
});

test('half a login in the environment is an error', async (t) => {
  const { env } = await emptyHome(t);
  for (const half of [{ SLIPWAY_USERNAME: 'me' }, { SLIPWAY_PASSWORD: 'x' }]) {
    const options = { env: { ...env, ...half }, hosts: [HOST] };
    assert.throws(() => findCredentials(options), { code: 'CONFIG_INVALID' });
  }
  const SLIPWAY_REGISTRY = 'https://r.example.org/v2/';
  const login = { ...env, SLIPWAY_USERNAME: 'me', SLIPWAY_PASSWORD: 'x', SLIPWAY_REGISTRY };
  assert.throws(() => findCredentials({ env: login, hosts: [HOST] }), { code: 'CONFIG_INVALID' });
});

test('a file that was named must be there', async (t) => {
  const { home, env, who } = await emptyHome(t);
  const none = path.join(home, 'none.json');
  await assert.rejects(who({ authfile: none }), { code: 'FILE_NOT_FOUND' });
  env.REGISTRY_AUTH_FILE = none;
  await assert.rejects(who(), { code: 'FILE_NOT_FOUND' });
});

test('a login without content in DOCKER_AUTH_CONFIG is an error that names the host', async (t) => {
  const { env, who } = await emptyHome(t);
  for (const login of [{}, { auth: '' }, null, 'x']) {
    env.DOCKER_AUTH_CONFIG = JSON.stringify({ auths: { 'r2.example.org': login } });
    await assert.rejects(who(), { code: 'CONFIG_INVALID', message: /r2\.example\.org/ });
  }
  env.DOCKER_AUTH_CONFIG = '{"auths": hunter2}';
  await assert.rejects(who(), (error: Error) => {
    assert.match(error.message, /^DOCKER_AUTH_CONFIG: .*line 1, column 11/);
    assert.doesNotMatch(`${error.message}${error.stack}`, /hunter2/);
    return true;
  });
});

test('a file that others can read is warned of once', async (t) => {
  const { env, write } = await emptyHome(t);
  const file = await write('.docker/config.json', auths('docker'));
  const warnings: string[] = [];
  const look = async () => {
    const lookup = findCredentials({ env, warn: (message) => warnings.push(message) });
    await lookup(parseRepository(`${HOST}/a`));
    await lookup(parseRepository(`${HOST}/b`));
  };
  await look();
  assert.deepEqual(warnings, []);
  await chmod(file, 0o644);
  await look();
  assert.equal(warnings.length, 1);
  assert.ok(warnings.join().includes(file));
});

test('the helper of a registry comes before that of all, and both before the file', async (t) => {
  const one = await fakeHelper(t, says('one', 'x'), 'one');
  const all = await fakeHelper(t, says('all', 'x'), 'all');
  const folder = await tempDir(t);
  const config = path.join(folder, 'config.json');
  await writeFile(
    config,
    JSON.stringify({
      ...auths('file', 'file@plain.example.org', 'file@https://index.docker.io/v1/'),
      credsStore: 'all',
      credHelpers: { [HOST]: 'one', 'plain.example.org': '' },
    }),
    { mode: 0o600 },
  );
  const env = { PATH: `${one.folder}:${all.folder}:/usr/bin:/bin`, HOME: folder };
  const lookup = dockerConfigCredentials(config, { env });
  const who = async (repository: string) => (await lookup(parseRepository(repository)))?.username;
  assert.equal(await who(`${HOST}/a`), 'one');
  assert.equal(await who(`${HOST}/b/c`), 'one');
  assert.equal(await who('other.example.org/a'), 'all');
  assert.equal(await who('alpine'), 'all');
  assert.equal(await who('plain.example.org/a'), 'file');
  // Once a host, however many ask, and under the name that docker uses.
  assert.deepEqual(await one.calls(), [`get ${HOST}`]);
  assert.deepEqual(await all.calls(), ['get other.example.org', 'get https://index.docker.io/v1/']);
});

test('many who ask at once start a helper once', async (t) => {
  const helper = await fakeHelper(t, says('me', 'x'));
  const config = path.join(helper.folder, 'config.json');
  await writeFile(config, '{"credsStore":"fake"}', { mode: 0o600 });
  const lookup = dockerConfigCredentials(config, helper);
  await Promise.all(Array.from({ length: 20 }, () => lookup(parseRepository(`${HOST}/a`))));
  assert.deepEqual(await helper.calls(), [`get ${HOST}`]);
});

test('where a helper knows nothing, the file is asked; where it fails, nobody is', async (t) => {
  const helper = await fakeHelper(t, SAYS_NOTHING);
  const broken = await fakeHelper(t, 'exit 1', 'broken');
  const { env, write } = await emptyHome(t);
  env.PATH = `${helper.folder}:${broken.folder}:/usr/bin:/bin`;
  await write('.config/containers/auth.json', auths('podman@r2.example.org', 'podman'));
  await write('.docker/config.json', { ...auths('file'), credsStore: 'fake' });
  const who = async (repository: string) =>
    (await findCredentials({ env })(parseRepository(repository)))?.username;
  assert.equal(await who(`${HOST}/a`), 'file');
  assert.equal(await who('r2.example.org/a'), 'podman');
  await write('.docker/config.json', { ...auths('file'), credsStore: 'broken' });
  await assert.rejects(who(`${HOST}/a`), { code: 'COMMAND_FAILED' });
  await assert.rejects(who('r2.example.org/a'), { code: 'COMMAND_FAILED' });
  await write('.docker/config.json', { ...auths('file'), credsStore: 'missing' });
  await assert.rejects(who(`${HOST}/a`), { code: 'CONFIG_INVALID' });
});

test('a source that fails ends the search', async () => {
  const fails = async () => Promise.reject(new Error('broken'));
  const knows = async () => ({ username: 'me', password: 'x' });
  const repository = parseRepository(`${HOST}/a`);
  await assert.rejects(firstOf(fails, knows)(repository), /broken/);
  assert.equal((await firstOf(knows, fails)(repository))?.username, 'me');
});

test('accounts of one name in different parts of a registry are told apart', async (t) => {
  const { env, write } = await emptyHome(t);
  await write(
    '.docker/config.json',
    auths(`_json_key@${HOST}/one`, `_json_key@${HOST}/two`, '_json_key'),
  );
  const lookup = findCredentials({ env });
  const accounts = ['one/a', 'one/b', 'two/a', 'three'].map(async (name) =>
    accountOf(await lookup(parseRepository(`${HOST}/${name}`))),
  );
  const [first, same, second, host] = await Promise.all(accounts);
  assert.equal(first, same);
  assert.equal(new Set([first, second, host]).size, 3);
});

test('a host and the same with port 443 are one registry', async (t) => {
  const { env, write } = await emptyHome(t);
  await write('.docker/config.json', auths(`short@a.example.org`, 'long@b.example.org:443'));
  const who = async (repository: string) =>
    (await findCredentials({ env })(parseRepository(repository)))?.username;
  assert.equal(await who('a.example.org:443/x'), 'short');
  assert.equal(await who('b.example.org/x'), 'long');
  assert.equal(await who('a.example.org:80/x'), undefined);
});

test('so it is for parts of its path, and for its helper', async (t) => {
  const { env, write } = await emptyHome(t);
  const helper = await fakeHelper(
    t,
    `[ "$input" = c.example.org ] || { ${SAYS_NOTHING}; }; ${says('helped', 'x')}`,
  );
  Object.assign(env, { PATH: helper.env.PATH });
  await write('.docker/config.json', {
    ...auths('short@a.example.org/team', 'long@b.example.org:443/team', 'all@b.example.org'),
    credHelpers: { 'c.example.org': helper.name },
  });
  const who = async (repository: string) =>
    (await findCredentials({ env })(parseRepository(repository)))?.username;
  assert.equal(await who('a.example.org:443/team/x'), 'short');
  assert.equal(await who('b.example.org/team/x'), 'long');
  assert.equal(await who('b.example.org/other/x'), 'all');
  assert.equal(await who('c.example.org/x'), 'helped');
  assert.equal(await who('c.example.org:443/x'), 'helped');
});
