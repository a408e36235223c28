import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { dockerConfigCredentials } from '../../src/credentials/config-credentials.ts';
import { editConfigFile } from '../../src/credentials/config-file.ts';
import { withLogin, withoutLogins } from '../../src/credentials/edit-logins.ts';
import { eraseLogin, storeLogin } from '../../src/credentials/kept-logins.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { tempDir } from '../rig/lifetime.ts';
import { runs } from '../rig/long.ts';
import { run } from '../rig/programs.ts';

const HOST = 'r.example.org:5000';
const ME = { username: 'me', password: 'hunter2' };
const AUTH = Buffer.from('me:hunter2').toString('base64');

/** What a user may have written by hand, with all that a careless rewrite would change. */
const OURS = `{
  "9": "numbers stay where they stand", "1": 12345678901234567890,
  "HttpHeaders": { "X-Meta": "é" },
  "auths": {
    "other.example.org": {
      "auth": "b3RoZXI6eA==",
      "email": "kept"
    }
  },
  "proxies": {"default": {"httpProxy": "http://p.example.org:3128"}},
  "escaped": "\\u00e9\\/"
}
`;

test('a login is added, and everything else stays as it stands', () => {
  const text = withLogin(OURS, HOST, ME);
  const added = `,\n    "${HOST}": {\n      "auth": "${AUTH}"\n    }`;
  assert.equal(text, OURS.replace('"kept"\n    }', `"kept"\n    }${added}`));
  assert.equal(
    withoutLogins(text, (key) => key === HOST),
    OURS,
  );
});

test('a login is replaced, and the fields of others in it stay', () => {
  const before = '{\n\t"auths": {\n\t\t"r": {"auth": "x", "password": "y", "email": "z"}\n\t}\n}';
  const after = withLogin(before, 'r', { ...ME, password: '', identityToken: 'refresh' });
  assert.deepEqual(JSON.parse(after), {
    auths: { r: { auth: 'bWU6', identitytoken: 'refresh', email: 'z' } },
  });
  assert.match(after, /^\{\n\t"auths"/);
});

test('a file without logins gets its first', () => {
  for (const text of ['{}', '{"auths":{}}', '{"auths":null}', '{"credsStore":""}', '{\r\n}']) {
    const after = JSON.parse(withLogin(text, HOST, ME));
    assert.deepEqual(after, { ...JSON.parse(text), auths: { [HOST]: { auth: AUTH } } }, text);
  }
  // As docker writes one.
  const made = `{\n\t"auths": {\n\t\t"${HOST}": {\n\t\t\t"auth": "${AUTH}"\n\t\t}\n\t}\n}`;
  assert.equal(withLogin('{}', HOST, ME), made);
});

test('whatever a file holds, a login changes its own entry only', () => {
  const key = fc.string({ unit: 'grapheme', maxLength: 8 }).filter((text) => text !== '__proto__');
  const file = fc.dictionary(key, fc.jsonValue({ maxDepth: 3 })).map((all) => ({ ...all }));
  const logins = fc.dictionary(key, fc.record({ auth: fc.base64String() }));
  const indent = fc.constantFrom(undefined, '\t', 2, 4);
  fc.assert(
    fc.property(file, logins, indent, (all, auths, space) => {
      const before = JSON.stringify({ ...all, auths }, null, space);
      const after = withLogin(before, HOST, ME);
      const { [HOST]: own, ...others } = JSON.parse(after).auths;
      assert.deepEqual(own, { auth: AUTH });
      assert.deepEqual({ ...JSON.parse(after), auths: others }, JSON.parse(before));
      const left = withoutLogins(after, (name) => name === HOST);
      assert.deepEqual(JSON.parse(left), JSON.parse(before));
    }),
    runs(100, 5_000),
  );
});

test('a file is made with its folder, for its owner only', async (t) => {
  const file = path.join(await tempDir(t), 'a', 'b', 'config.json');
  const before = process.umask(0);
  t.after(() => void process.umask(before));
  await storeLogin(file, HOST, ME);
  process.umask(before);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await stat(path.dirname(file))).mode & 0o777, 0o700);
  const found = await dockerConfigCredentials(file)(parseRepository(`${HOST}/a`));
  assert.deepEqual(found, ME);
});

test('a file that others could read is narrowed, and that is said', async (t) => {
  const file = path.join(await tempDir(t), 'config.json');
  await writeFile(file, OURS);
  await chmod(file, 0o644);
  const said: string[] = [];
  await storeLogin(file, HOST, ME, { warn: (message) => said.push(message) });
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal(said.length, 1);
  assert.ok(said.join().includes(file));
});

test('a file stays its owner’s', { skip: process.getuid?.() !== 0 && 'needs root' }, async (t) => {
  const file = path.join(await tempDir(t), 'config.json');
  await writeFile(file, OURS);
  await chown(file, 4711, 4712);
  await storeLogin(file, HOST, ME);
  const { uid, gid, mode } = await stat(file);
  assert.deepEqual([uid, gid, mode & 0o777], [4711, 4712, 0o600]);
});

test('a link is followed once, and stays', async (t) => {
  const folder = await tempDir(t);
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('dotfiles'));
  await writeFile(at('dotfiles/real.json'), OURS, { mode: 0o600 });
  await symlink('dotfiles/real.json', at('config.json'));
  await storeLogin(at('config.json'), HOST, ME);
  assert.equal(await readlink(at('config.json')), 'dotfiles/real.json');
  assert.equal(await readFile(at('dotfiles/real.json'), 'utf8'), withLogin(OURS, HOST, ME));
  await symlink('config.json', at('twice.json'));
  await assert.rejects(storeLogin(at('twice.json'), HOST, ME), { code: 'CONFIG_INVALID' });
  // One that leads nowhere yet makes what it leads to.
  await symlink('dotfiles/new.json', at('dangling.json'));
  await storeLogin(at('dangling.json'), HOST, ME);
  assert.ok(JSON.parse(await readFile(at('dotfiles/new.json'), 'utf8')).auths[HOST]);
});

test('what a killed process left behind is cleared away', async (t) => {
  const folder = await tempDir(t);
  const file = path.join(folder, 'config.json');
  const victim = path.join(folder, 'victim');
  await writeFile(victim, 'precious');
  await symlink(victim, `${file}.slipway-tmp`);
  await storeLogin(file, HOST, ME);
  assert.equal(await readFile(victim, 'utf8'), 'precious');
  await writeFile(`${file}.slipway-tmp`, '{"half');
  await storeLogin(file, 'b.example.org', ME);
  const names = (await readdir(folder)).sort();
  assert.deepEqual(names, ['config.json', 'config.json.slipway-lock', 'victim']);
  assert.deepEqual(Object.keys(JSON.parse(await readFile(file, 'utf8')).auths), [
    HOST,
    'b.example.org',
  ]);
});

test('many writers lose nothing', async (t) => {
  const file = path.join(await tempDir(t), 'config.json');
  await writeFile(file, OURS, { mode: 0o600 });
  const hosts = Array.from({ length: 20 }, (_, index) => `h${index}.example.org`);
  const module = new URL('../../src/credentials/kept-logins.ts', import.meta.url).href;
  const script = `const { storeLogin } = await import(${JSON.stringify(module)});
    for (const host of process.argv.slice(2)) await storeLogin(process.argv[1], host, { username: 'me', password: 'hunter2' });`;
  const others = [hosts.slice(0, 5), hosts.slice(5, 10)].map((some) =>
    run(process.execPath, ['--input-type=module', '-e', script, file, ...some]),
  );
  await Promise.all(hosts.slice(10).map((host) => storeLogin(file, host, ME)));
  for (const { code, stderr } of await Promise.all(others)) assert.equal(code, 0, stderr);
  const { auths, ...rest } = JSON.parse(await readFile(file, 'utf8'));
  assert.deepEqual(Object.keys(auths).sort(), [...hosts, 'other.example.org'].sort());
  assert.deepEqual(Object.keys(rest).length, 5);
});

test('logout takes every form of a name, and no other', async (t) => {
  const file = path.join(await tempDir(t), 'config.json');
  const login = { auth: AUTH };
  const forms = ['', 'http://', 'https://'].flatMap((scheme) =>
    ['', ':443'].flatMap((port) =>
      ['', '/', '/v1/', '/v2/'].map((end) => `${scheme}r.example.org${port}${end}`),
    ),
  );
  const others = ['r.example.org:5000', 'x.r.example.org', 'r.example.org/team', 'example.org'];
  const auths = Object.fromEntries([...forms, ...others].map((key) => [key, login]));
  await writeFile(file, JSON.stringify({ auths }), { mode: 0o600 });
  await eraseLogin(file, 'r.example.org');
  assert.deepEqual(Object.keys(JSON.parse(await readFile(file, 'utf8')).auths), others);
  const hub = ['https://index.docker.io/v1/', 'docker.io', 'index.docker.io', 'https://docker.io'];
  const names = Object.fromEntries([...hub, 'r.example.org'].map((key) => [key, login]));
  await writeFile(file, JSON.stringify({ auths: names }), { mode: 0o600 });
  await eraseLogin(file, 'docker.io');
  assert.deepEqual(Object.keys(JSON.parse(await readFile(file, 'utf8')).auths), ['r.example.org']);
});

test('where there is nothing to forget, no file is made', async (t) => {
  const file = path.join(await tempDir(t), 'none', 'config.json');
  await eraseLogin(file, HOST);
  await assert.rejects(stat(path.dirname(file)), { code: 'ENOENT' });
});

test('a folder, and a file that no one may write beside, are errors that say so', async (t) => {
  const folder = await tempDir(t);
  await assert.rejects(storeLogin(folder, HOST, ME), { code: 'CONFIG_INVALID' });
  const inFile = path.join(folder, 'file', 'config.json');
  await writeFile(path.join(folder, 'file'), '');
  await assert.rejects(
    editConfigFile(inFile, () => '{}'),
    { code: 'FILE_NOT_FOUND' },
  );
});
