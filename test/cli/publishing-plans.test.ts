import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { testRegistry } from '../content/places.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';

import { THIS_FILE } from '../rig/this-file.ts';
import { type CommandLine, prepareCommandLine } from './in-process.ts';

const owner: Owner = THIS_FILE;
let slipway: CommandLine;
let layout: string;
let raw: string;
const roots: Record<string, Descriptor> = {};

before(async () => {
  slipway = await prepareCommandLine(owner);
  layout = path.join(await tempDir(owner), 'layout');
  raw = path.join(await tempDir(owner), 'raw');
  const to = await openLayout(layout, { create: true });
  for (const name of ['one', 'two']) {
    const layers = [bytesOf('base', 300_000), bytesOf(name, 20_000)];
    const root = await putImage(to, { layers });
    await to.tag(root, name, (offset) => to.fetch(root, { offset }));
    roots[name] = root;
  }
  await to.close();
  const plain = await openLayout(raw, { create: true });
  const root = await putImage(plain, { layers: [bytesOf('raw', 100_000)], compression: 'none' });
  await plain.tag(root, 'it', (offset) => plain.fetch(root, { offset }));
  await plain.close();
});

const json = async (args: readonly string[]) => JSON.parse((await slipway.must(args)).join('\n'));

test('a plan shows what is sent, mounted, there and moved, and sends only questions', async (t) => {
  const { registry, requests, repository } = await testRegistry(t);
  const app = `${registry.host}/app`;
  await slipway.must(['push', '--from', `oci:${layout}:one`, `${app}:1`]);
  requests.length = 0;
  for (const args of [
    ['plan', 'push', '--from', `oci:${layout}:two`, `${app}:1`, `${app}:2`, `${registry.host}/b:1`],
    [
      'push',
      '--dry-run',
      '--from',
      `oci:${layout}:two`,
      `${app}:1`,
      `${app}:2`,
      `${registry.host}/b:1`,
    ],
  ]) {
    const lines = await slipway.must(args);
    const text = lines.join('\n');
    const { one, two } = roots as { one: Descriptor; two: Descriptor };
    assert.ok(text.includes(`moves from ${one.digest} to ${two.digest}`), text);
    assert.ok(text.includes(`new: ${two.digest}`));
    assert.match(text, /blob .* present/);
    assert.match(text, /blob .* upload/);
    assert.match(text, /blob .* mount from app/);
    assert.match(lines.at(-1) ?? '', /^total: .* to upload, .* to mount, .* present$/);
    const plan = await json([...args, '--format', 'json']);
    assert.equal(plan.isResolved, true);
    assert.equal(plan.destinations.length, 2);
  }
  assert.deepEqual(
    requests.filter(({ method }) => method !== 'HEAD' && method !== 'GET'),
    [],
  );
  assert.equal((await repository('app').resolve('1')).digest, roots.one?.digest);
});

test('a plan in columns shows mounts from where an earlier run saw the blobs', async (t) => {
  const { registry } = await testRegistry(t);
  await slipway.must(['push', '--from', `oci:${layout}:one`, `${registry.host}/before:1`]);
  const lines = await slipway.must([
    'plan',
    'push',
    '--from',
    `oci:${layout}:one`,
    `${registry.host}/now:1`,
  ]);
  const [heading = '', ...rows] = lines;
  const blobs = rows.filter((row) => row.includes(' blob '));
  assert.ok(blobs.length > 1);
  for (const row of blobs) {
    assert.ok(row.endsWith('mount from before'), row);
    assert.equal(row.indexOf('mount from'), heading.indexOf('ACTION'));
  }
});

test('who asked for JSON lines is told the sum of a plan', async (t) => {
  const { registry } = await testRegistry(t);
  const push = ['push', '--from', `oci:${layout}:one`, `${registry.host}/app:1`];
  const { stderr } = await slipway.run(['plan', ...push, '--progress', 'json']);
  const events = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { totals } = await json(['plan', ...push, '--format', 'json']);
  const event = { type: 'plan', isResolved: true, destinations: 1, tags: 1, ...totals };
  assert.deepEqual(events, [event]);
});

test('layers to compress are shown raw; a resolved plan is applied exactly once', async (t) => {
  const { registry, repository } = await testRegistry(t);
  const ref = `${registry.host}/raw:1`;
  const file = path.join(await tempDir(t), 'plan.json');
  const push = ['push', '--from', `oci:${raw}:it`, ref];
  assert.match((await slipway.must(['plan', ...push])).join('\n'), /compress, then upload/);
  const refused = await slipway.run(['plan', ...push, '--plan-out', file]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /--resolve/);
  const plan = await json(['plan', ...push, '--resolve', '--plan-out', file, '--format', 'json']);
  const [line = ''] = await slipway.must(['push', '--plan', file]);
  assert.equal(line, `${registry.host}/raw@${plan.destinations[0].digest}`);
  assert.equal((await repository('raw').resolve('1')).digest, plan.destinations[0].digest);
  // What it wanted is true: applying it again changes nothing.
  assert.equal(
    (await json(['push', '--plan', file, '--format', 'json'])).destinations[0].status,
    'present',
  );
});

test('a plan is refused when a tag moved, content changed, or it is none', async (t) => {
  const { registry, repository, lines, requests } = await testRegistry(t);
  const ref = `${registry.host}/app:1`;
  const folder = await tempDir(t);
  const file = path.join(folder, 'plan.json');
  await slipway.must(['push', '--from', `oci:${layout}:one`, ref]);
  const two = ['push', '--from', `oci:${layout}:two`, ref];
  await slipway.must(['plan', ...two, '--plan-out', file]);
  await slipway.must(['push', '--from', `oci:${raw}:it`, ref]);
  const theirs = (await repository('app').resolve('1')).digest;
  requests.length = 0;
  const moved = await slipway.run(['push', '--plan', file]);
  assert.equal(moved.code, 14);
  assert.ok(moved.stderr.includes(theirs), moved.stderr);
  const plan = JSON.parse(await readFile(file, 'utf8'));
  plan.command = plan.command.map((word: string) => word.replace(layout, `${layout}-gone`));
  await writeFile(file, JSON.stringify(plan));
  assert.equal((await slipway.run(['push', '--plan', file])).code, 14);
  assert.deepEqual([...lines('PUT'), ...lines('POST')], []);
  plan.command = ['registry', 'serve'];
  await writeFile(file, JSON.stringify(plan));
  assert.equal((await slipway.run(['push', '--plan', file])).code, 2);
  await writeFile(file, '{"version": 1, "command": ["push"], "plan": {}}');
  assert.equal((await slipway.run(['push', '--plan', file])).code, 2);
  assert.equal((await slipway.run(['push', '--plan', file, ref])).code, 2);
  assert.equal((await slipway.run(['push', '--plan', path.join(folder, 'none')])).code, 2);
});

test('plan stands only before what can be planned', async () => {
  for (const args of [
    ['plan'],
    ['plan', 'ls', 'localhost/app'],
    ['push', '--from', `oci:${layout}:one`, 'localhost:1/app', '--resolve'],
  ]) {
    const { code, stderr } = await slipway.run(args);
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`);
    assert.match(stderr, /hint: /);
  }
});

for (const [transport, name] of [
  ['oci', 'it'],
  ['oci-archive', 'it'],
  ['docker-archive', 'localhost/app:1'],
] as const) {
  test(`a copy to ${transport} is planned without making it, and the plan is applied`, async (t) => {
    const target = path.join(await tempDir(t), 'new');
    const file = path.join(await tempDir(t), 'plan.json');
    const copy = ['copy', `oci:${layout}:one`, `${transport}:${target}:${name}`];
    const plan = await json(['plan', ...copy, '--plan-out', file, '--format', 'json']);
    const [{ ref, digest, tags, pieces }] = plan.destinations;
    assert.deepEqual({ ref, digest }, { ref: target, digest: roots.one?.digest });
    assert.deepEqual(tags, [{ name, to: digest }]);
    for (const { action } of pieces) assert.equal(action, 'upload');
    await assert.rejects(stat(target), { code: 'ENOENT' });
    assert.deepEqual(await slipway.must(['push', '--plan', file]), [`${target}@${digest}`]);
    if (transport !== 'oci') return;
    const again = await json(['plan', ...copy, '--format', 'json']);
    assert.deepEqual(again.totals.upload, 0);
    const two = ['plan', 'copy', `oci:${layout}:two`, `oci:${target}:it`, '--format', 'json'];
    const [moved] = (await json(two)).destinations;
    assert.deepEqual(moved.tags, [{ name: 'it', from: digest, to: roots.two?.digest }]);
    const actions = moved.pieces.map((piece: { action: string }) => piece.action);
    assert.deepEqual([...new Set(actions)].toSorted(), ['present', 'upload']);
  });
}

test('conditions are flags: exit 14 with both digests, and success where it is ours', async (t) => {
  const { registry, repository } = await testRegistry(t);
  const ref = `${registry.host}/app:1`;
  const push = (name: string, ...more: string[]) =>
    slipway.run(['push', '--from', `oci:${layout}:${name}`, ref, ...more]);
  const { one, two } = roots as { one: Descriptor; two: Descriptor };
  assert.equal((await push('one', '--if-absent')).code, 0);
  assert.equal((await push('one', '--if-absent')).code, 0);
  const taken = await push('two', '--if-absent');
  assert.equal(taken.code, 14);
  assert.ok(taken.stderr.includes(one.digest) && taken.stderr.includes(two.digest), taken.stderr);
  assert.equal((await push('two', '--if-digest', two.digest)).code, 14);
  assert.equal((await push('two', '--if-digest', 'nonsense')).code, 2);
  assert.equal((await push('two', '--if-absent', '--if-digest', one.digest)).code, 2);
  assert.equal((await push('two', '--if-digest', one.digest)).code, 0);
  assert.equal((await repository('app').resolve('1')).digest, two.digest);
});

test('--require any publishes where it can, and ends with 18', async (t) => {
  const good = await testRegistry(t);
  const bad = await testRegistry(t, { readOnly: true });
  const refs = [good, bad].map(({ registry }) => `${registry.host}/app:1`);
  const push = (...more: string[]) =>
    slipway.run(['push', '--from', `oci:${layout}:one`, ...refs, ...more]);
  assert.equal((await push()).code, 15);
  await assert.rejects(good.repository('app').resolve('1'), { code: 'NOT_FOUND' });
  const { code, stdout } = await push('--require', 'any');
  assert.equal(code, 18);
  assert.equal(stdout, `${good.registry.host}/app@${roots.one?.digest}\n`);
  assert.equal((await push('--require', '3')).code, 2);
  assert.equal((await push('--require', '0')).code, 2);
});

test('--limit-rate slows what is sent, and --jobs 1 sends blob by blob', async (t) => {
  const { registry } = await testRegistry(t);
  const push = (path: string, ...more: string[]) =>
    json([
      'push',
      '--from',
      `oci:${layout}:one`,
      `${registry.host}/${path}:1`,
      '--format',
      'json',
      ...more,
    ]);
  const slow = await push('slow', '--limit-rate', '200k', '--jobs', '1');
  // 320 kB at 200 kB/s, less the first quarter of a second.
  assert.ok(slow.destinations[0].durationMs > 1_100, `${slow.destinations[0].durationMs} ms`);
  const other = await testRegistry(t);
  const { durationMs } = (
    await json([
      'push',
      '--from',
      `oci:${layout}:one`,
      `${other.registry.host}/fast:1`,
      '--format',
      'json',
    ])
  ).destinations[0];
  assert.ok(durationMs < slow.destinations[0].durationMs);
  for (const wrong of [
    ['--limit-rate', '0'],
    ['--limit-rate', '5x'],
    ['--jobs', '0'],
  ]) {
    const { code } = await slipway.run([
      'push',
      '--from',
      `oci:${layout}:one`,
      `${registry.host}/x`,
      ...wrong,
    ]);
    assert.equal(code, 2);
  }
});
