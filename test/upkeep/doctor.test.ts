import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createRegistries } from '../../src/registry/registries.ts';
import { startRegistry } from '../../src/server/registry.ts';
import { openHints } from '../../src/state/hints.ts';
import { diagnose, scratchRepository } from '../../src/upkeep/doctor.ts';
import { blobOf, connect } from '../registry/clients.ts';
import { errors, type Quirk, startFakeRegistry } from '../registry/fake-registry.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { prepareSlipway } from '../rig/slipway.ts';

/** The names of all abilities that a registry has. */
async function abilities(owner: Owner, host: string) {
  const registries = createRegistries({ retry: { baseMs: 1, maxMs: 4 }, scheme: () => 'http' });
  atEnd(owner, () => registries.close());
  const { findings, left } = await diagnose(registries, scratchRepository(host));
  const able = findings.filter(({ isAble }) => isAble === true).map(({ ability }) => ability);
  return { able, left, findings };
}

test('our own registry does nearly all, and nothing is left behind', async (t) => {
  const storage = await tempDir(t);
  const registry = await startRegistry({ storage });
  atEnd(t, () => registry.close());
  const { able, left } = await abilities(t, registry.host);
  assert.deepEqual(able, [
    'push',
    'whole',
    'stream',
    'chunks',
    'resume',
    'mount',
    'mount-without-from',
    'many-tags',
    'conditions',
    'referrers',
    'delete-tag',
    'delete-manifest',
  ]);
  assert.deepEqual(left, []);
  const files = await readdir(storage, { recursive: true });
  const blobs = files.filter((file) => /^[0-9a-f]{64}$/.test(path.basename(file)));
  assert.deepEqual(blobs, []);
});

test("what Debian's docker-registry does", { skip: missing('docker-registry') }, async (t) => {
  const { able } = await abilities(t, (await startDockerRegistry(t)).host);
  assert.deepEqual(able, ['push', 'whole', 'stream', 'chunks', 'mount', 'delete-manifest']);
});

test('a registry that can do little is told so, and what stays there', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    if (call.method !== 'DELETE' && call.method !== 'PATCH') return false;
    call.request.resume();
    call.answer(405, {}, errors('UNSUPPORTED'));
    return true;
  });
  const { able, left } = await abilities(t, registry.host);
  assert.deepEqual(able.slice(0, 2), ['push', 'whole']);
  for (const ability of ['stream', 'chunks', 'resume', 'delete-tag', 'delete-manifest']) {
    assert.ok(!able.includes(ability), ability);
  }
  assert.match(left.join(), /a manifest with its tags,[1-9] small blobs/);
});

test('a registry whose DELETE of a tag takes its siblings does not delete single tags', async (t) => {
  const quirk: Quirk = async (call) => {
    if (call.what !== 'DELETE manifest') return false;
    call.registry.manifests.clear();
    call.answer(202);
    return true;
  };
  const registry = await startFakeRegistry(t, quirk);
  const { findings } = await abilities(t, registry.host);
  const found = Object.fromEntries(findings.map(({ ability, isAble }) => [ability, isAble]));
  assert.equal(found['delete-tag'], false);
  assert.equal(found['delete-manifest'], undefined);
});

test('what was found is used by later runs', async (t) => {
  const hints = openHints(await tempDir(t));
  atEnd(t, () => hints.close());
  const registry = await startRegistry();
  atEnd(t, () => registry.close());
  const registries = createRegistries({ hints, scheme: () => 'http' });
  atEnd(t, () => registries.close());
  await diagnose(registries, scratchRepository(registry.host));
  const { repository } = connect(t, registry.host, { hints });
  const { descriptor, open } = blobOf(40 * 1024 * 1024);
  const before = repository.requests;
  await repository.push(descriptor, open);
  // HEAD, POST, two chunks, and the PUT with the third.
  assert.equal(repository.requests - before, 5);
});

test('the command says by its exit code whether we may push', async (t) => {
  const slipway = await prepareSlipway(t);
  const registry = await startRegistry();
  atEnd(t, () => registry.close());
  const json = (await slipway.must(['doctor', registry.host, '--json'])).join('\n');
  assert.equal(JSON.parse(json).abilities['many-tags'], true);
  const table = await slipway.must(['doctor', `${registry.host}/team/scratch`]);
  assert.ok(table.some((line) => /^chunks +yes /.test(line)));

  const closed = await startFakeRegistry(t, (call) => {
    if (call.method !== 'POST') return false;
    call.answer(403, {}, errors('DENIED', 'not here'));
    return true;
  });
  assert.equal((await slipway.run(['doctor', closed.host])).code, 11);
  const locked = await startFakeRegistry(t, (call) => {
    call.answer(401, { 'www-authenticate': 'Basic realm="x"' }, errors('UNAUTHORIZED'));
    return true;
  });
  assert.equal((await slipway.run(['doctor', locked.host])).code, 10);
  assert.equal((await slipway.run(['doctor', 'no_host'])).code, 2);
});
