import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/oci/config.ts';
import { bytesOf, configJson, type Json } from './documents.ts';

function refuses(change: Json): void {
  assert.throws(
    () => parseConfig(bytesOf({ ...configJson(), ...change })),
    { code: 'CONTENT_INVALID' },
    JSON.stringify(change),
  );
}

test('a config is read with its platform, layers, labels and history', () => {
  const json = configJson();
  const config = parseConfig(bytesOf(json));
  assert.deepEqual(config.platform, { os: 'linux', architecture: 'arm64' });
  assert.equal(config.created, '2026-11-21T00:00:00Z');
  assert.deepEqual(config.diffIds, (json.rootfs as Json).diff_ids);
  assert.deepEqual(config.labels, { version: '1' });
  assert.deepEqual(config.history, [
    {
      created: '2026-11-21T00:00:00Z',
      createdBy: 'COPY a b',
      comment: 'c',
      author: 'd',
      emptyLayer: false,
    },
    { createdBy: 'ENV x', emptyLayer: true },
  ]);
  assert.deepEqual(config.json, json);
});

test('an image without layers, history and settings is an image', () => {
  for (const json of [
    { rootfs: {} },
    { rootfs: { type: 'layers', diff_ids: null }, history: null, config: null, created: null },
    { rootfs: { type: '', diff_ids: [] }, config: { Env: null, Labels: null, Volumes: null } },
  ]) {
    const config = parseConfig(bytesOf(json));
    assert.deepEqual([config.diffIds, config.history, config.labels], [[], [], {}]);
    assert.equal(config.platform, undefined);
  }
});

test('labels are data, whatever they are called', () => {
  const text = '{"rootfs":{},"config":{"Labels":{"__proto__":"a","constructor":"b"}}}';
  const { labels } = parseConfig(Buffer.from(text));
  assert.deepEqual(Object.entries(labels), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
  assert.equal(({} as Json).a, undefined);
});

test('what no engine could read is refused', () => {
  for (const change of [
    { rootfs: undefined },
    { rootfs: null },
    { rootfs: [] },
    { rootfs: { type: 'layers+base', diff_ids: [] } },
    { rootfs: { type: 'layers', diff_ids: ['sha256:abc'] } },
    { rootfs: { type: 'layers', diff_ids: {} } },
    { rootfs: { type: 'layers', diff_ids: [], DIFF_IDS: [] } },
    { os: 123 },
    { architecture: [] },
    { variant: 7 },
    { 'os.features': 'a' },
    { created: 5 },
    { history: 'should be an array' },
    { history: ['x'] },
    { history: [{ created_by: 5 }] },
    { config: [] },
    { config: { User: 1234 } },
    { config: { Env: [7353] } },
    { config: { Env: 'PATH=/' } },
    { config: { Volumes: ['/var'] } },
    { config: { Labels: ['a'] } },
    { config: { Labels: { a: 1 } } },
    { config: { labels: {} } },
    { Rootfs: {} },
    { OS: 'windows' },
  ]) {
    refuses(change);
  }
});

test('a config has its own limit', () => {
  const limit = 8 * 1024 * 1024;
  const bytes = Buffer.alloc(limit + 1, ' ');
  bytes.set(bytesOf(configJson()));
  parseConfig(bytes.subarray(0, limit));
  assert.throws(() => parseConfig(bytes), { code: 'LIMIT_EXCEEDED' });
});
