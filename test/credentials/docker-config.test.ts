import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { dockerConfigCredentials } from '../../src/credentials/config-credentials.ts';
import { dockerConfigPath } from '../../src/credentials/docker-config.ts';
import { storeLogin } from '../../src/credentials/kept-logins.ts';
import { SlipwayError } from '../../src/errors.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { noVectors, vectorRows } from '../oci/vectors.ts';
import { tempDir } from '../rig/lifetime.ts';
import { runs } from '../rig/long.ts';

const auth = (text: string) => ({ auth: Buffer.from(text).toString('base64') });

async function fileOf(t: TestContext, content: unknown): Promise<string> {
  const file = path.join(await tempDir(t), 'config.json');
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

async function userOf(
  t: TestContext,
  auths: unknown,
  repository: string,
): Promise<string | undefined> {
  const lookup = dockerConfigCredentials(await fileOf(t, { auths }));
  return (await lookup(parseRepository(repository)))?.username;
}

test('the file is where docker has it', () => {
  assert.equal(dockerConfigPath({ DOCKER_CONFIG: '/some/where' }), '/some/where/config.json');
  assert.match(dockerConfigPath({}), /\/\.docker\/config\.json$/);
});

test('a file that is not there means nobody in particular', async (t) => {
  const lookup = dockerConfigCredentials(path.join(await tempDir(t), 'none.json'));
  assert.equal(await lookup(parseRepository('r.example.org/a')), undefined);
});

test('a login is decoded', async (t) => {
  const lookup = dockerConfigCredentials(
    await fileOf(t, {
      auths: {
        'a.example.org': auth('user:pass:with:colons'),
        'b.example.org': auth('user:padded\0\0'),
        'c.example.org': { username: 'plain', password: 'text' },
        'd.example.org': { ...auth('user:pass'), username: 'other', password: 'other' },
        'e.example.org': { ...auth('user:'), identitytoken: 'refresh' },
        'f.example.org': { registrytoken: 'bearer' },
        'g.example.org': {},
        'h.example.org': auth('ü:ß'),
      },
    }),
  );
  const of = (host: string) => lookup(parseRepository(`${host}.example.org/x`));
  assert.deepEqual(await of('a'), { username: 'user', password: 'pass:with:colons' });
  assert.deepEqual(await of('b'), { username: 'user', password: 'padded' });
  assert.deepEqual(await of('c'), { username: 'plain', password: 'text' });
  assert.deepEqual(await of('d'), { username: 'user', password: 'pass' });
  assert.deepEqual(await of('e'), { username: 'user', password: '', identityToken: 'refresh' });
  assert.deepEqual(await of('f'), { username: '', password: '', registryToken: 'bearer' });
  assert.equal(await of('g'), undefined);
  assert.deepEqual(await of('h'), { username: 'ü', password: 'ß' });
  assert.equal(await of('z'), undefined);
});

test('an entry is found by host, also in the forms of older dockers', async (t) => {
  for (const key of [
    'r.example.org:5000',
    'http://r.example.org:5000',
    'https://r.example.org:5000/',
    'https://r.example.org:5000/v1/',
    'https://r.example.org:5000/v2/',
    'r.example.org:5000/v2',
  ]) {
    assert.equal(await userOf(t, { [key]: auth('me:x') }, 'r.example.org:5000/a/b'), 'me', key);
  }
});

test('an entry is for its host and port and no other', async (t) => {
  const auths = { 'r.example.org': auth('me:x'), 'https://r.example.org:5000/v1/': auth('me:x') };
  for (const other of [
    'example.org/a',
    'x.r.example.org/a',
    'r.example.org.evil.test/a',
    'r.example.org:5001/a',
    'r.example.orgx/a',
    'localhost/r.example.org',
  ]) {
    assert.equal(await userOf(t, auths, other), undefined, other);
  }
});

test('the nearest entry of a path wins, and is for that path only', async (t) => {
  const auths = {
    'r.example.org/team/app': auth('app:x'),
    'r.example.org/team': auth('team:x'),
    'r.example.org/other': auth('other:x'),
  };
  assert.equal(await userOf(t, auths, 'r.example.org/team/app'), 'app');
  assert.equal(await userOf(t, auths, 'r.example.org/team/app/part'), 'app');
  assert.equal(await userOf(t, auths, 'r.example.org/team/else'), 'team');
  assert.equal(await userOf(t, auths, 'r.example.org/teamwork'), undefined);
  const withHost = { ...auths, 'r.example.org': auth('host:x') };
  assert.equal(await userOf(t, withHost, 'r.example.org/teamwork'), 'host');
  assert.equal(await userOf(t, withHost, 'r.example.org/team/app'), 'app');
});

test('Docker Hub is found under its names', async (t) => {
  for (const key of [
    'https://index.docker.io/v1/',
    'docker.io',
    'index.docker.io',
    'https://registry-1.docker.io/v2/',
  ]) {
    assert.equal(await userOf(t, { [key]: auth('me:x') }, 'alpine'), 'me', key);
    assert.equal(await userOf(t, { [key]: auth('me:x') }, 'r.example.org/alpine'), undefined);
  }
});

test('keys that every object has are no hosts', async (t) => {
  const lookup = dockerConfigCredentials(await fileOf(t, { auths: {} }));
  for (const name of ['constructor', 'toString', '__proto__']) {
    assert.equal(await lookup({ host: name, path: name }), undefined);
  }
});

test('the file is read once', async (t) => {
  const file = await fileOf(t, { auths: { 'r.example.org': auth('first:x') } });
  const lookup = dockerConfigCredentials(file);
  const repository = parseRepository('r.example.org/a');
  assert.equal((await lookup(repository))?.username, 'first');
  await writeFile(file, '{}');
  assert.equal((await lookup(repository))?.username, 'first');
});

const BROKEN: Readonly<Record<string, string>> = {
  'cut in the middle':
    '{"auths":{"r.example.org":{"auth":"c2VjcmV0OnNlY3JldA==","password":"secret',
  'no JSON': 'secret',
  'an array': '["secret"]',
  'auths of another kind': '{"auths":"secret"}',
  'a login that is none': `{"auths":{"r.example.org":{"auth":"${Buffer.from('secret').toString('base64')}"}}}`,
  'a login without a name': `{"auths":{"r.example.org":{"auth":"${Buffer.from(':secret').toString('base64')}"}}}`,
  'a key twice': '{"auths":{"secret":{},"secret":{}}}',
};

for (const [what, text] of Object.entries(BROKEN)) {
  test(`a file that is ${what} is refused, and its text not repeated`, async (t) => {
    const file = await fileOf(t, text);
    await assert.rejects(
      dockerConfigCredentials(file)(parseRepository('r.example.org/a')),
      (error) => {
        assert.ok(error instanceof SlipwayError);
        assert.equal(error.code, 'CONFIG_INVALID');
        assert.ok(error.message.includes(file));
        assert.equal(error.facts.path, file);
        const told = `${error.message} ${JSON.stringify(error.facts)} ${error.stack} ${String(error.cause)}`;
        assert.doesNotMatch(told.replaceAll('secret"}}}', ''), /secret|c2VjcmV0/);
        return true;
      },
    );
  });
}

test('a folder in place of the file is refused', async (t) => {
  const folder = path.join(await tempDir(t), 'config.json');
  await mkdir(folder);
  await assert.rejects(dockerConfigCredentials(folder)(parseRepository('r.example.org/a')), {
    code: 'CONFIG_INVALID',
  });
});

test('whatever a password is, it comes out as it went in', async (t) => {
  const folder = await tempDir(t);
  let index = 0;
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => !text.includes(':'));
  const secret = fc
    .string({ unit: 'grapheme', maxLength: 20 })
    .filter((text) => !text.endsWith('\0'));
  await fc.assert(
    fc.asyncProperty(name, secret, async (username, password) => {
      const file = path.join(folder, `${index++}.json`);
      await writeFile(
        file,
        JSON.stringify({ auths: { 'r.example.org': auth(`${username}:${password}`) } }),
      );
      const found = await dockerConfigCredentials(file)(parseRepository('r.example.org/a'));
      const text = (value: string) => Buffer.from(value).toString();
      assert.deepEqual(found, { username: text(username), password: text(password) });
    }),
    runs(30, 1_000),
  );
});

test('entries of the public tables are read alike', { skip: noVectors }, async (t) => {
  interface Row {
    readonly name: string;
    readonly json: string;
    readonly err?: string;
    readonly want?: {
      readonly Username: string;
      readonly Password: string;
      readonly IdentityToken?: string;
    };
  }
  const rows = vectorRows<Row>(
    'dockerconfig',
    'google/go-containerregistry',
    'TestAuthConfigUnmarshalJSON',
  );
  for (const { name, json, err, want } of rows) {
    // What isn't text is left out here, where Go's decoder gives up on the file.
    if (name === 'bad json input') continue;
    const lookup = dockerConfigCredentials(await fileOf(t, `{"auths":{"r.example.org":${json}}}`));
    const found = lookup(parseRepository('r.example.org/a'));
    if (err !== undefined) {
      await assert.rejects(found, { code: 'CONFIG_INVALID' }, name);
      continue;
    }
    const credential = await found;
    assert.deepEqual(
      [credential?.username, credential?.password],
      [want?.Username, want?.Password],
      name,
    );
    assert.equal(credential?.identityToken, want?.IdentityToken, name);
  }
});

test('hosts of the public tables are found in their keys', { skip: noVectors }, async (t) => {
  interface Row {
    readonly input: string;
    readonly expected: string;
  }
  for (const { input, expected } of vectorRows<Row>(
    'dockerconfig',
    'docker/cli',
    'TestConvertToHostname',
  )) {
    // A registry's host, as a reference can hold it; docker also takes other schemes and bare IPv6.
    if (!/^(?:https?:\/\/)?(?:[a-z0-9.]+|\[::1\])(?::\d+)?(?:\/|$)/.test(input)) continue;
    assert.equal(await userOf(t, { [input]: auth('me:x') }, `${expected}/a`), 'me', input);
  }
});

test('a repository is looked for in the order of the public tables', {
  skip: noVectors,
}, async (t) => {
  interface Row {
    readonly name: string;
    readonly input: string;
    readonly expected: readonly string[];
  }
  const repo = 'podman-container-tools/container-libs';
  for (const { input, expected } of vectorRows<Row>(
    'dockerconfig',
    repo,
    'TestAuthKeyLookupOrder',
  )) {
    for (let most = 0; most < expected.length; most++) {
      // Each key counts where no nearer one is there.
      const auths = expected.slice(most).map((key) => [key, auth(`${key.replaceAll(':', '_')}:x`)]);
      const found = await userOf(t, Object.fromEntries(auths), input);
      assert.equal(found, expected[most], input);
    }
  }
});

test('what is kept under one name is found under the other of the public tables', {
  skip: noVectors,
}, async (t) => {
  interface Row {
    readonly name: string;
    readonly set: string;
    readonly get: string;
    readonly shouldAuth: boolean;
    readonly useLegacyFormat?: boolean;
  }
  const repo = 'podman-container-tools/container-libs';
  for (const row of vectorRows<Row>('dockerconfig', repo, 'TestSetGetCredentials')) {
    const { name, set, get, shouldAuth } = row;
    // A registry without a repository is nothing that we read from.
    const repository = get.includes('/') ? get : `${get}/a`;
    const found = await userOf(t, { [set]: auth('me:x') }, repository);
    assert.equal(found, shouldAuth ? 'me' : undefined, name);
  }
});

test('a host that is logged in to is found for its repositories', {
  skip: noVectors,
}, async (t) => {
  interface Row {
    readonly loginKey: string;
    readonly queryKey: string;
  }
  const repo = 'podman-container-tools/container-libs';
  const table = 'TestGetCredentialsInteroperability';
  for (const row of vectorRows<Partial<Row>>('dockerconfig', repo, table)) {
    if (row.loginKey === undefined || row.queryKey === undefined) continue;
    const file = path.join(await tempDir(t), 'config.json');
    await storeLogin(file, row.loginKey || 'docker.io', { username: 'me', password: 'x' });
    const name = row.queryKey.includes('/') ? row.queryKey : `${row.queryKey}/library/a`;
    const found = await dockerConfigCredentials(file)(parseRepository(name));
    assert.equal(found?.username, 'me', row.queryKey);
  }
});
