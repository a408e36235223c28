import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import { tarOf } from '../cli/archives.ts';
import { putImage } from '../content/images.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { prepareMake } from './scene.ts';

type Files = Readonly<Record<string, string | Uint8Array>>;

/** A command line with a local image of some layers, and a `slipway.yaml` for it. */
async function prepare(t: TestContext, layers: readonly Files[], runConfig: object = {}) {
  const scene = await prepareMake(t, {
    REGISTRY: 'my.example',
    ORGNAME: 'me',
    BUILDDATE: '20250101',
  });
  const dir = path.join(await tempDir(t), 'layout');
  const layout = await openLayout(dir, { create: true });
  const tars = layers.map((files) =>
    tarOf(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)])),
  );
  const image = await putImage(layout, { layers: tars, runConfig });
  await layout.tag(image, 'it', (offset) => layout.fetch(image, { offset }));
  await layout.close();
  await scene.must(['copy', '-q', `oci:${dir}:it`, 'my.example/me/it:x86_64']);
  const settings = (version: unknown, more: object = {}) =>
    writeFile(
      path.join(scene.folder, 'slipway.yaml'),
      // JSON is YAML.
      JSON.stringify({ make: { name: 'it', version, ...more } }),
    );
  /** The version that a source gives, as the tag of a dry run has it. */
  const version = async (source: unknown, ...words: readonly string[]): Promise<string> => {
    await settings(source);
    const names = await scene.mustMake('push', '--dry-run', 'ARCH=x86_64', ...words);
    return (
      /:x86_64_(.*)_20250101$/.exec(names.find((name) => name.endsWith('_20250101')) ?? '')?.[1] ??
      ''
    );
  };
  return { ...scene, version, settings };
}

test('versions come from labels, the environment and files of the image', async (t) => {
  const { version, make, settings } = await prepare(
    t,
    [{ 'etc/version': 'v1.2.3\nmore\n', 'etc/gone': '1' }, { 'etc/.wh.gone': '' }],
    { Labels: { 'a.version': '4.5' }, Env: ['PATH=/bin', 'NGINX_VERSION=1.27=x'] },
  );
  assert.equal(await version({ label: 'a.version' }), '4.5');
  assert.equal(await version({ env: 'NGINX_VERSION', pattern: '^[0-9.]+' }), '1.27');
  assert.equal(await version({ file: '/etc/version', pattern: '^v(.*)$' }), '1.2.3');
  assert.equal(await version({ env: '$(WHO)_VERSION', pattern: '^[0-9.]+' }, 'WHO=NGINX'), '1.27');
  assert.equal(await version('$(MAJOR).9', 'MAJOR=8'), '8.9');
  assert.equal(await version({ label: 'a.version' }, 'VERSION=7'), '7', 'what is said comes first');
  const odd: readonly (readonly [unknown, number, RegExp])[] = [
    [{ label: 'other' }, 2, /the label other of .* has no version/],
    [{ file: '/etc/gone' }, 12, /has no file \/etc\/gone/],
    [{ file: 'etc/version' }, 2, /the version "v1\.2\.3\\nmore" .* can't be part of a tag/],
    ['x'.repeat(130), 2, /too long for a tag/],
    [{ file: 'a', label: 'b' }, 2, /slipway\.yaml:1:\d+: version has to name one of label, env/],
    [{ fille: 'a' }, 2, /"fille" is none of/],
    [{ file: 'a', pattern: '(' }, 2, /pattern is no regular expression/],
    [1.2, 2, /version is a number: quote it/],
    ['$(NOBODY)', 2, /NOBODY has no value/],
  ];
  for (const [source, code, says] of odd) {
    await settings(source);
    const result = await make('push', '--dry-run', 'ARCH=x86_64');
    assert.match(result.stderr, says);
    assert.equal(result.code, code, result.stderr);
    assert.equal(result.stdout, '');
  }
});

test('versions of packages are read from what apk and dpkg wrote down', async (t) => {
  const apk = 'C:Q1\nP:musl\nV:1.2.5-r0\n\nP:nginx\nV:1.28.0-r3\nA:x86_64\n\n';
  const dpkg = [
    'Package: old\nStatus: deinstall ok config-files\nVersion: 1\n',
    'Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2\nDescription: a shell\n Package: no\n',
  ].join('\n');
  const { version, make, settings } = await prepare(t, [
    { 'lib/apk/db/installed': 'P:nginx\nV:0\n' },
    { 'lib/apk/db/installed': apk, 'var/lib/dpkg/status': dpkg },
    { 'var/lib/dpkg/status.d/tzdata': 'Package: tzdata\nVersion: 2025b\n' },
  ]);
  assert.equal(await version({ package: 'nginx' }), '1.28.0-r3');
  assert.equal(await version({ package: 'nginx', pattern: '^[0-9]+\\.[0-9]+' }), '1.28');
  assert.equal(await version({ package: 'bash' }), '5.2.15-2');
  assert.equal(await version({ package: 'tzdata' }), '2025b');
  await settings({ package: 'old' });
  const { code, stderr } = await make('push', '--dry-run', 'ARCH=x86_64');
  assert.equal(code, 12);
  assert.match(stderr, /has no package "old" \(apk, dpkg\)/);
});

/** A header as rpm stores it: two texts and a number. */
function rpmHeader(texts: Readonly<Record<number, string>>): Buffer {
  const tags = Object.entries(texts);
  const data = Buffer.from(tags.map(([, text]) => `${text}\0`).join(''));
  const head = Buffer.alloc(8 + 16 * tags.length);
  head.writeUInt32BE(tags.length, 0);
  head.writeUInt32BE(data.length, 4);
  let offset = 0;
  for (const [at, [tag, text]] of tags.entries()) {
    [Number(tag), 6, offset, 1].forEach((value, field) => {
      head.writeUInt32BE(value, 8 + 16 * at + 4 * field);
    });
    offset += Buffer.byteLength(text) + 1;
  }
  return Buffer.concat([head, data]);
}

test('versions of packages are read from rpm databases of the SQLite kind only', async (t) => {
  const file = path.join(await tempDir(t), 'rpmdb.sqlite');
  const database = new DatabaseSync(file);
  database.exec(
    'PRAGMA journal_mode = WAL; CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)',
  );
  const insert = database.prepare('INSERT INTO Packages (blob) VALUES (?)');
  insert.run(rpmHeader({ 1000: 'glibc', 1001: '2.40', 1002: '3.fc41' }));
  insert.run(rpmHeader({ 1000: 'bash', 1001: '5.2.32', 1002: '1.fc41' }));
  database.close();
  const bytes = await readFile(file);
  const sqlite = await prepare(t, [{ 'usr/lib/sysimage/rpm/rpmdb.sqlite': bytes }]);
  assert.equal(await sqlite.version({ package: 'bash' }), '5.2.32-1.fc41');
  const broken = { 'var/lib/rpm/rpmdb.sqlite': 'no database '.repeat(500) };
  const cases: readonly (readonly [Files, number, RegExp])[] = [
    [{ 'var/lib/rpm/Packages': 'x' }, 15, /an rpm database of the kind BerkeleyDB/],
    [{ 'usr/lib/sysimage/rpm/Packages.db': 'x' }, 15, /an rpm database of the kind ndb/],
    [broken, 17, /is no rpm database/],
    [{ 'etc/empty': '' }, 12, /has no database of apk, dpkg or rpm/],
  ];
  for (const [files, code, says] of cases) {
    const { make, settings } = await prepare(t, [files]);
    await settings({ package: 'bash' });
    const result = await make('push', '--dry-run', 'ARCH=x86_64');
    assert.match(result.stderr, says);
    assert.equal(result.code, code, result.stderr);
  }
});

test('the latest release of a repository is asked for once in eight hours', async (t) => {
  let asked = 0;
  let status = 200;
  const headers: unknown[] = [];
  const server = createServer((request, response) => {
    asked++;
    headers.push(request.headers.authorization);
    const body = { tag_name: request.url === '/api/repos/o/r/releases/latest' ? 'v2.3.4' : '' };
    response.writeHead(status, { 'content-encoding': 'identity' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, async () => void server.close());
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api`;
  const { version, settings, make, run, folder } = await prepare(t, [{}]);
  assert.equal(await version({ github: 'o/r', api }), '2.3.4');
  assert.equal(await version({ github: 'o/r', api }), '2.3.4');
  assert.equal(asked, 1);
  assert.deepEqual(headers, [undefined], 'a token goes to GitHub only');
  status = 404;
  await settings({ github: 'o/other', api });
  const missing = await make('push', '--dry-run', 'ARCH=x86_64');
  assert.equal(missing.code, 12);
  assert.match(missing.stderr, /knows no release of o\/other/);
  await settings({ github: '../..', api });
  assert.equal((await run(['make', '-C', folder, 'push', '--dry-run'])).code, 2);
});

test('versions come from git and package.json', { skip: missing('git') }, async (t) => {
  const { version, folder } = await prepare(t, [{}]);
  const git = (...args: readonly string[]) =>
    mustRun('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args]);
  await git('init', '-q');
  await git('commit', '-q', '--allow-empty', '-m', 'one');
  await git('tag', 'v0.9.1');
  assert.equal(await version({ git: 'describe' }), '0.9.1');
  await writeFile(path.join(folder, 'package.json'), '{"version":"3.1.0"}');
  assert.equal(await version({ packageJson: 'package.json' }), '3.1.0');
});

test('what dpkg says of this machine is what its database says in an image', {
  skip: missing('dpkg-query'),
}, async (t) => {
  const status = await readFile('/var/lib/dpkg/status');
  const { version } = await prepare(t, [{ 'var/lib/dpkg/status': status }]);
  for (const name of ['base-files', 'dpkg']) {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a format of dpkg's
    const said = await mustRun('dpkg-query', ['-W', '-f', '${Version}', name]);
    assert.equal(await version({ package: name, pattern: '^[0-9.]+' }), /^[0-9.]+/.exec(said)?.[0]);
  }
});
