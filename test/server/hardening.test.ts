import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { acceptedHosts, isLoopback } from '../../src/server/hosts.ts';
import { chunkRange, requestedRange } from '../../src/server/range.ts';
import { findRoute } from '../../src/server/routes.ts';
import { isServedName } from '../../src/server/target.ts';
import { sha, startRig } from './rig.ts';

const digest = sha('anything');

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
