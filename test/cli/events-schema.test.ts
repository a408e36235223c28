import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { SlipwayEvent } from '../../src/events.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { testRegistry } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { prepareSlipway } from '../rig/slipway.ts';

type EventOf<T> = Extract<SlipwayEvent, { readonly type: T }>;
type OptionalOf<T> = {
  [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never;
}[keyof T];
/** The compiler refuses this file when a type, a field, or what may be left out is missing here. */
type Examples = {
  [T in SlipwayEvent['type']]: {
    readonly full: Required<EventOf<T>>;
    readonly optional: Record<OptionalOf<EventOf<T>>, true>;
  };
};

const digest = `sha256:${'0'.repeat(64)}`;
const piece = { target: 'localhost:5000/app', digest, mediaType: 'text/plain', size: 1 };
const EXAMPLES: Examples = {
  'transfer.start': { full: { type: 'transfer.start', kind: 'blob', ...piece }, optional: {} },
  'transfer.progress': { full: { type: 'transfer.progress', bytes: 1, ...piece }, optional: {} },
  'transfer.done': {
    full: {
      type: 'transfer.done',
      kind: 'manifest',
      status: 'mounted',
      bytesSent: 0,
      from: 'app',
      reason: 'lost',
      ...piece,
    },
    optional: { from: true, reason: true },
  },
  'compress.progress': {
    full: { type: 'compress.progress', digest, size: 2, bytes: 1 },
    optional: {},
  },
  'compress.done': {
    full: {
      type: 'compress.done',
      digest,
      size: 2,
      compressedDigest: digest,
      compressedSize: 1,
      remembered: false,
    },
    optional: {},
  },
  retry: {
    full: { type: 'retry', host: 'h', reason: 'r', attempt: 1, delayMs: 2, isAsked: true },
    optional: {},
  },
  tag: {
    full: { type: 'tag', target: 't', reference: '1', digest, previous: digest, changed: true },
    optional: { previous: true },
  },
  plan: {
    full: {
      ...{ type: 'plan', isResolved: true, destinations: 1, tags: 1 },
      ...{ upload: 1, mount: 2, present: 3, compress: 0 },
    },
    optional: {},
  },
  'tag.restored': {
    full: { type: 'tag.restored', target: 't', reference: '1', from: digest, to: digest },
    optional: { to: true },
  },
  'build.start': {
    full: {
      type: 'build.start',
      engine: 'buildah',
      version: '1.28.2',
      instead: 'it runs a command',
    },
    optional: { version: true, instead: true },
  },
  'build.step': {
    full: { type: 'build.step', step: 'COPY . /app', isCached: true, platform: 'linux/arm64' },
    optional: { platform: true },
  },
  'build.output': { full: { type: 'build.output', engine: 'buildx', line: 'l' }, optional: {} },
  'http.request': {
    full: { type: 'http.request', id: 1, method: 'GET', url: 'u', login: 'none', headers: {} },
    optional: {},
  },
  'http.response': {
    full: {
      type: 'http.response',
      id: 1,
      method: 'GET',
      url: 'u',
      status: 200,
      durationMs: 1,
      headers: { date: 'd' },
    },
    optional: {},
  },
  'http.failure': {
    full: { type: 'http.failure', id: 1, method: 'GET', url: 'u', durationMs: 1, reason: 'r' },
    optional: {},
  },
  warning: { full: { type: 'warning', message: 'm' }, optional: {} },
};

interface FieldSchema {
  readonly const?: string;
  readonly enum?: readonly string[];
  readonly type?: 'string' | 'integer' | 'boolean' | 'object';
  readonly minimum?: number;
  readonly pattern?: string;
}
interface EventSchema {
  readonly title: string;
  readonly properties: Readonly<Record<string, FieldSchema>>;
  readonly required: readonly string[];
  readonly additionalProperties: false;
}

const schemas: readonly EventSchema[] = JSON.parse(
  await readFile(path.join(import.meta.dirname, '../../docs/events.schema.json'), 'utf8'),
).oneOf;

/** What is wrong with an event, as far as the schema's few words go. */
function problems(event: Readonly<Record<string, unknown>>): readonly string[] {
  const schema = schemas.find(({ title }) => title === event.type);
  if (schema === undefined) return [`no event ${event.type}`];
  const missing = schema.required.filter((key) => event[key] === undefined);
  const wrong = Object.entries(event).filter(
    ([key, value]) => !fits(schema.properties[key], value),
  );
  return [...missing, ...wrong.map(([key]) => key)];
}

const isText = (value: unknown): value is string => typeof value === 'string';

function fits(field: FieldSchema | undefined, value: unknown): boolean {
  if (field === undefined) return false;
  if (field.const !== undefined) return value === field.const;
  if (field.enum !== undefined) return field.enum.includes(value as string);
  if (field.type === 'boolean') return typeof value === 'boolean';
  if (field.type === 'integer') return Number.isInteger(value) && (value as number) >= 0;
  if (field.type === 'object') return Object.values(value as object).every(isText);
  return isText(value) && new RegExp(field.pattern ?? '').test(value);
}

test('the schema has the events of the union, with the same fields', () => {
  assert.deepEqual(schemas.map(({ title }) => title).toSorted(), Object.keys(EXAMPLES).toSorted());
  for (const [type, { full, optional }] of Object.entries(EXAMPLES)) {
    const schema = schemas.find(({ title }) => title === type) as EventSchema;
    assert.equal(schema.properties.type?.const, type);
    assert.equal(schema.additionalProperties, false);
    assert.deepEqual(Object.keys(schema.properties).toSorted(), Object.keys(full).toSorted(), type);
    const required = Object.keys(full).filter((key) => !(key in optional));
    assert.deepEqual([...schema.required].toSorted(), required.toSorted(), type);
    assert.deepEqual(problems({ ...full }), [], type);
  }
});

test('every line of --progress json fits the schema', async (t) => {
  const slipway = await prepareSlipway(t);
  const { registry } = await testRegistry(t);
  const folder = path.join(await tempDir(t), 'layout');
  const layout = await openLayout(folder, { create: true });
  const root = await putImage(layout, { layers: [bytesOf('raw', 90_000)], compression: 'none' });
  await layout.tag(root, 'it', (offset) => layout.fetch(root, { offset }));
  await layout.close();
  const seen = new Set<string>();
  for (const repository of ['one', 'one', 'two']) {
    const ref = `${registry.host}/${repository}:1`;
    const args = ['push', '--from', `oci:${folder}:it`, ref, '--progress', 'json', '--debug'];
    const { stderr, code } = await slipway.run(args);
    assert.equal(code, 0, stderr);
    for (const line of stderr.split('\n').filter(Boolean)) {
      const event = JSON.parse(line);
      seen.add(event.type);
      assert.deepEqual(problems(event), [], line);
    }
  }
  const told = ['transfer.start', 'transfer.done', 'compress.done', 'tag'];
  for (const type of [...told, 'http.request', 'http.response']) {
    assert.ok(seen.has(type), type);
  }
});

test('in GitHub Actions what happens is a group, and what came of it stands outside', async (t) => {
  const slipway = await prepareSlipway(t);
  const { registry } = await testRegistry(t);
  const folder = path.join(await tempDir(t), 'layout');
  const layout = await openLayout(folder, { create: true });
  const root = await putImage(layout, { layers: [bytesOf('a', 100)] });
  await layout.tag(root, 'it', (offset) => layout.fetch(root, { offset }));
  await layout.close();
  const push = (ref: string) =>
    slipway.run(['push', '--from', `oci:${folder}:it`, `${registry.host}/${ref}`], {
      env: { GITHUB_ACTIONS: 'true', CI: 'true' },
    });
  const { stderr } = await push('app:1');
  const lines = stderr.trimEnd().split('\n');
  assert.equal(lines[0], '::group::slipway');
  assert.equal(lines.at(-1), '::endgroup::');
  assert.equal(lines.filter((line) => line.startsWith('::')).length, 2);
  const present = await push('app:1');
  assert.equal(present.stderr, '', 'nothing happened, and no empty group is shown');
});
