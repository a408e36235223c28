import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { acceptedHosts, isLoopback } from '../../src/server/hosts.ts';
import { chunkRange, requestedRange } from '../../src/server/range.ts';
import { findRoute } from '../../src/server/routes.ts';
import { isServedName } from '../../src/server/target.ts';
import { pushImage, sendRaw, sha, startRig, temporaryFolder } from './rig.ts';

const digest = sha('anything');

test('only names that were meant are answered to', async (t) => {
  const rig = await startRig(t);
  const { port } = new URL(rig.registry.url);
  for (const host of [`127.0.0.1:${port}`, 'localhost', `LOCALHOST:${port}`, '[::1]:1']) {
    assert.equal((await rig.ask('GET', '/v2/', { headers: { host } })).status, 200, host);
  }
  for (const host of [
    'evil.test',
    `evil.test:${port}`,
    'localhost.evil.test',
    '127.0.0.1.evil.test',
    '127.0.0.1@evil.test',
    '10.0.0.1',
    '0.0.0.0',
    'localhost:99999',
    'a/b',
  ]) {
    const answer = await rig.ask('GET', '/v2/', { headers: { host } });
    assert.deepEqual([answer.status, answer.code()], [421, 'DENIED'], host);
  }
  assert.match(await sendRaw(rig.registry, 'GET /v2/ HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 421 /);
  assert.match(await sendRaw(rig.registry, 'GET /v2/ HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

test('a registry on every interface answers to addresses and its own name', () => {
  for (const listen of ['0.0.0.0', '::']) {
    const accepts = acceptedHosts(listen);
    for (const host of ['192.168.1.5:5000', '[fe80::1]:5000', 'localhost', hostname()]) {
      assert.ok(accepts(host), host);
    }
    for (const host of ['evil.test', '1.2.3.4.evil.test', undefined, '']) {
      assert.ok(!accepts(host), String(host));
    }
  }
  assert.ok(acceptedHosts('registry.lan')('registry.lan:5000'));
  assert.ok(acceptedHosts('fd00::5')('[fd00::5]:5000'));
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) assert.ok(isLoopback(host));
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com']) assert.ok(!isLoopback(host));
});

test('web pages are not answered', async (t) => {
  const rig = await startRig(t);
  for (const origin of ['http://evil.test', 'null', rig.registry.url]) {
    for (const method of ['GET', 'POST', 'OPTIONS']) {
      const answer = await rig.ask(method, '/v2/a/blobs/uploads/', { headers: { origin } });
      assert.equal(answer.status, 403);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
    }
  }
});

test('no path of a request leaves the storage folder', async (t) => {
  const outer = await temporaryFolder(t);
  const storage = join(outer, 'storage');
  await mkdir(join(outer, 'secret/blobs/sha256'), { recursive: true });
  const secret = Buffer.from('secret');
  const secretPath = `blobs/sha256/${sha(secret).slice('sha256:'.length)}`;
  await writeFile(join(outer, 'secret', secretPath), secret);
  await writeFile(join(outer, 'secret/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(outer, 'secret/index.json'), '{"schemaVersion":2,"manifests":[]}');
  const rig = await startRig(t, { storage });
  await pushImage(rig, 'team/app');
  const before = (await readdir(outer, { recursive: true })).length;
  const names = [
    '../secret',
    '..%2fsecret',
    '%2e%2e/secret',
    '%2e%2e%2fsecret',
    '%252e%252e%252fsecret',
    'team/../../secret',
    'team/./app',
    './team/app',
    '..\\secret',
    'team//app',
    '/secret',
    'team/app%00',
    'team/app%0d%0aX:y',
    'TEAM/app',
    'team/.slipway',
    'team/app/blobs',
    'team/app/blobs/sha256',
    'team/index.json',
    'team/app/oci-layout',
    `${'a/'.repeat(200)}a`,
    'é',
  ];
  const found = sha(secret);
  for (const name of names) {
    for (const [method, path] of [
      ['GET', `/v2/${name}/blobs/${found}`],
      ['GET', `/v2/${name}/tags/list`],
      ['GET', `/v2/${name}/manifests/latest`],
      ['POST', `/v2/${name}/blobs/uploads/?digest=${found}`],
      ['PUT', `/v2/${name}/manifests/v1`],
      ['DELETE', `/v2/${name}/blobs/${found}`],
    ] as const) {
      const text = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecret`;
      const answer = await sendRaw(rig.registry, text);
      assert.match(answer, /^HTTP\/1\.1 40[045] /, `${method} ${path}`);
      assert.ok(!answer.includes('\r\n\r\nsecret'), `${method} ${path}`);
    }
  }
  assert.equal((await readdir(outer, { recursive: true })).length, before);
  for (const reference of ['..%2f..%2findex.json', '%2e%2e', 'v1%00', '..']) {
    const answer = await sendRaw(
      rig.registry,
      `GET /v2/team/app/manifests/${reference} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 404 /, reference);
  }
  for (const id of ['../../../../x', '..%2f..%2fx', 'x'.repeat(22), '%00']) {
    const answer = await sendRaw(
      rig.registry,
      `GET /v2/team/app/blobs/uploads/${id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 40[04] /, id);
  }
});

test('HTTP that two readers would read differently is refused', async (t) => {
  const rig = await startRig(t);
  const head = 'POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n';
  for (const [what, text] of [
    ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`],
    [
      'length and chunks',
      `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['a folded header', `${head}X: a\r\n b\r\n\r\n`],
    ['a bare line feed', `POST /v2/ HTTP/1.1\nHost: localhost\n\n`],
    ['a bad chunk', `${head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`],
    ['two hosts', `${head}Host: evil.test\r\nContent-Length: 0\r\n\r\n`],
    ['control bytes', `GET /v2/\u0001 HTTP/1.1\r\nHost: localhost\r\n\r\n`],
  ] as const) {
    const answer = await sendRaw(rig.registry, text);
    assert.match(answer, /^(?:HTTP\/1\.1 4|$)/, what);
    assert.doesNotMatch(answer, /^HTTP\/1\.1 2/, what);
  }
  const long = `GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`;
  assert.match(await sendRaw(rig.registry, long), /^HTTP\/1\.1 431 /);
  const absolute = 'GET http://evil.test/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n';
  assert.match(await sendRaw(rig.registry, absolute), /^HTTP\/1\.1 404 /);
});

test('what there is no endpoint for is told so', async (t) => {
  const rig = await startRig(t);
  for (const path of ['/', '/v1/', '/v2/_catalog', '/v2/a', '/v2/a/b', '/v2/tags/list', '/v3/']) {
    const answer = await rig.ask('GET', path);
    assert.deepEqual([answer.status, answer.code()], [404, 'UNSUPPORTED'], path);
  }
  const answer = await rig.ask('PATCH', '/v2/a/manifests/v1');
  assert.deepEqual([answer.status, answer.code()], [405, 'UNSUPPORTED']);
  assert.equal(answer.headers.allow, 'GET, HEAD, PUT, DELETE');
});

test('whatever the path is, a name that is served is a plain relative path', () => {
  const part = fc.oneof(
    fc.constantFrom('v2', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', '..', '.'),
    fc.constantFrom('a', 'team', 'a.b', 'index.json', 'oci-layout', '', '%2e%2e', 'A', digest),
    fc.string({ maxLength: 12 }),
  );
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 9 }),
      fc.constantFrom('GET', 'PUT'),
      (parts, method) => {
        let name: string;
        try {
          name = findRoute(method, `/v2/${parts.join('/')}`).target.repository;
        } catch {
          return;
        }
        if (name === '') return;
        assert.ok(isServedName(name));
        assert.match(name, /^[a-z0-9]+(?:[._/-]+[a-z0-9]+)*$/);
        assert.ok(
          !name.split('/').some((piece) => /^\.|^(?:blobs|index\.json|oci-layout)?$/.test(piece)),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

test('ranges never leave the content', () => {
  const text = fc.oneof(
    fc.string(),
    fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => `bytes=${a}-${b}`),
    fc.nat().map((a) => `bytes=${a}-`),
    fc.nat().map((a) => `bytes=-${a}`),
  );
  fc.assert(
    fc.property(text, fc.nat({ max: 5000 }), (header, sizeBytes) => {
      const range = requestedRange(header, sizeBytes);
      if (typeof range === 'string') return;
      assert.ok(range.first >= 0 && range.first <= range.last && range.last < sizeBytes);
    }),
  );
  fc.assert(
    fc.property(text, (header) => {
      const range = chunkRange(header);
      assert.ok(range === undefined || (range.first >= 0 && range.first <= range.last));
    }),
  );
});
