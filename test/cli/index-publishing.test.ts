import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, beforeEach, test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { bytesOf, putImage } from '../content/images.ts';
import { type TestRegistry, testRegistry } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { type CommandLine, prepareCommandLine } from './in-process.ts';

let slipway: CommandLine;
let registry: TestRegistry;
let app: Repository;
let folder: string;
const NOWHERE = `sha256:${'0'.repeat(64)}`;
const src = (architecture: string) => `oci:${folder}/layout:${architecture}`;

before(async () => {
  slipway = await prepareCommandLine(THIS_FILE);
  registry = await testRegistry(THIS_FILE);
  folder = await tempDir(THIS_FILE);
  const place = await openLayout(`${folder}/layout`, { create: true });
  for (const architecture of ['amd64', 'arm64']) {
    const platform = { os: 'linux', architecture };
    const layers = [bytesOf('base', 2_000), bytesOf(architecture, 2_000)];
    const image = await putImage(place, { layers, platform });
    await place.tag(image, architecture, (offset) => place.fetch(image, { offset }));
  }
  await place.close();
});

let count = 0;
let dest: string;
/** What each command makes of `dest`. */
let commands: Readonly<Record<string, readonly string[]>>;

beforeEach(() => {
  app = registry.repository(`team/app${++count}`);
  dest = `${app.name}:multi`;
  commands = {
    create: ['index', 'create', dest, src('arm64')],
    append: ['index', 'append', dest, src('arm64')],
    annotate: ['index', 'annotate', dest, '--annotation', 'a=b'],
    rm: ['index', 'rm', dest, 'linux/amd64'],
  };
});

/** Lets `dest` name an index; its digest. */
async function begin(): Promise<string> {
  await slipway.must(['index', 'create', dest, src('amd64'), src('arm64')]);
  return (await app.resolve('multi')).digest;
}

const changes = () =>
  registry.requests.filter(({ method }) => method !== 'GET' && method !== 'HEAD').length;

for (const name of ['create', 'append', 'annotate', 'rm']) {
  test(`index ${name} is planned without a change, and comes out as planned`, async () => {
    const old = await begin();
    const args = commands[name] ?? [];
    const sent = changes();
    const dry = await slipway.must([...args, '--dry-run', '--format', 'json']);
    const plan = JSON.parse(dry.join('\n'));
    assert.equal(changes(), sent);
    assert.equal((await app.resolve('multi')).digest, old);
    const [planned] = plan.destinations;
    assert.equal(planned.ref, app.name);
    assert.deepEqual(planned.tags, [{ name: 'multi', from: old, to: planned.digest }]);
    const table = await slipway.must(['plan', ...args]);
    assert.ok(table.some((line) => line.includes(name === 'append' ? 'stays at' : 'moves from')));
    assert.deepEqual(await slipway.must([...args, '--verify']), [`${app.name}@${planned.digest}`]);
    assert.equal((await app.resolve('multi')).digest, planned.digest);
  });

  test(`index ${name} obeys its conditions`, async () => {
    const old = await begin();
    // So that append has something to change.
    await slipway.must(['index', 'rm', dest, 'linux/arm64']);
    const args = commands[name] ?? [];
    if (name === 'rm') await slipway.must(['index', 'append', dest, src('arm64')]);
    const now = (await app.resolve('multi')).digest;
    for (const condition of [['--if-absent'], ['--if-digest', NOWHERE], ['--if-digest', old]]) {
      if (condition[1] === now) continue;
      const refused = await slipway.run([...args, ...condition]);
      assert.equal(refused.code, 14, refused.stderr);
      assert.match(refused.stderr, /sha256:/);
      assert.equal((await app.resolve('multi')).digest, now);
    }
    await slipway.must([...args, '--if-digest', now]);
    assert.notEqual((await app.resolve('multi')).digest, now);
  });

  test(`a plan of index ${name} is applied, but not after the tag has moved`, async () => {
    await begin();
    if (name === 'append') await slipway.must(['index', 'rm', dest, 'linux/arm64']);
    const args = commands[name] ?? [];
    const file = path.join(folder, `${name}.json`);
    await slipway.must(['plan', ...args, '--plan-out', file]);
    const { plan } = JSON.parse(await readFile(file, 'utf8'));
    const [applied] = await slipway.must(['push', '--plan', file]);
    assert.equal(applied, `${app.name}@${plan.destinations[0].digest}`);
    await slipway.must([
      ...['index', 'create', dest, src('amd64'), src('arm64'), '--annotation', 'other=1'],
    ]);
    assert.equal((await slipway.run(['push', '--plan', file])).code, 14);
  });
}

test('append with --if-absent makes an index, and results are written to files', async () => {
  const [digests, refs] = [path.join(folder, 'digests'), path.join(folder, 'refs')];
  const files = ['--digestfile', digests, '--image-refs', refs];
  const [line] = await slipway.must([...(commands.append ?? []), '--if-absent', ...files]);
  const { digest } = await app.resolve('multi');
  assert.equal(line, `${app.name}@${digest}`);
  assert.equal(await readFile(digests, 'utf8'), `${digest}\n`);
  assert.equal(await readFile(refs, 'utf8'), `${line}\n`);
  // It is ours already.
  await slipway.must([...(commands.append ?? []), '--if-absent']);
  assert.equal((await app.resolve('multi')).digest, digest);
});

test('--format json has the shape of every publication, however the index is changed', async () => {
  for (const name of ['append', 'annotate', 'create']) {
    const out = await slipway.must([...(commands[name] ?? []), '--format', 'json']);
    const [{ ref, tags, status, digest, requests }] = JSON.parse(out.join('\n')).destinations;
    assert.deepEqual(
      { ref, tags, status },
      { ref: app.name, tags: ['multi'], status: 'published' },
    );
    assert.equal(digest, (await app.resolve('multi')).digest);
    assert.ok(requests > 0);
  }
});

test('--plan-out without --dry-run is wrong usage for each of them', async () => {
  for (const args of Object.values(commands)) {
    assert.equal((await slipway.run([...args, '--plan-out', path.join(folder, 'no')])).code, 2);
  }
});
