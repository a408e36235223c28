import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSlipwayError } from '../../src/errors.ts';
import type { RegistryEvent } from '../../src/server/options.ts';
import { startRegistry } from '../../src/server/registry.ts';
import { digestOfJson, pushImage, sha, startRig, temporaryFolder } from './rig.ts';

const APP = 'team/app';

test('/v2/ says that this is a registry', async (t) => {
  const rig = await startRig(t);
  for (const method of ['GET', 'HEAD']) {
    const answer = await rig.ask(method, '/v2/');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
  }
  assert.match(rig.registry.url, /^http:\/\/127\.0\.0\.1:[0-9]+$/);
  assert.equal(`http://${rig.registry.host}`, rig.registry.url);
});

test('a temporary storage is private and goes with the registry', async () => {
  const registry = await startRegistry();
  const { mode } = await stat(registry.storage);
  assert.equal(mode & 0o777, 0o700);
  await Promise.all([registry.close(), registry.close()]);
  await assert.rejects(stat(registry.storage));
  await assert.rejects(fetch(registry.url));
});

test('a storage folder stays, and the next registry serves what the last one took', async (t) => {
  const storage = join(await temporaryFolder(t), 'made/when/missing');
  const first = await startRig(t, { storage });
  const image = await pushImage(first, APP);
  await first.put(APP, 'v1', image);
  await first.registry.close();
  const second = await startRig(t, { storage });
  const answer = await second.ask('GET', `/v2/${APP}/manifests/v1`);
  assert.equal(sha(answer.body), digestOfJson(image));
});

test('a repository whose folder was removed is made anew', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  for (let time = 0; time < 3; time++) {
    const image = await pushImage(rig, APP);
    assert.equal((await rig.put(APP, 'v1', image)).status, 201);
    await rm(join(storage, 'team'), { recursive: true });
    assert.equal((await rig.ask('GET', `/v2/${APP}/manifests/v1`)).code(), 'NAME_UNKNOWN');
  }
});

test('a signal ends the registry, also one that has ended it before', async (t) => {
  const controller = new AbortController();
  const registry = await startRegistry({ signal: controller.signal });
  controller.abort();
  await registry.close();
  await assert.rejects(fetch(registry.url));
  await assert.rejects(startRegistry({ signal: controller.signal }), { name: 'AbortError' });
  const storage = await temporaryFolder(t);
  assert.deepEqual(await readdir(storage), []);
});

test('the end waits a moment for a request and then cuts it; no upload is left', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage, graceMs: 150 });
  const location = await rig.begin(APP);
  const sending = httpRequest(`${rig.registry.url}${location}`, {
    method: 'PATCH',
    headers: { 'content-length': 1_000_000 },
  });
  sending.on('error', () => {});
  sending.write(randomBytes(600_000));
  await sleep(80);
  const startedMs = performance.now();
  await rig.registry.close();
  assert.ok(performance.now() - startedMs < 2_000);
  assert.deepEqual(await readdir(join(storage, APP, '.slipway/ingest')).catch(() => []), []);
});

test('an address or a folder that cannot be used is told at the start', async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  t.after(() => taken.close());
  const port = (taken.address() as { port: number }).port;
  for (const listen of [{ port }, { host: '192.0.2.1' }]) {
    await assert.rejects(startRegistry({ listen }), (error) =>
      isSlipwayError(error, 'CONFIG_INVALID'),
    );
  }
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, '');
  for (const storage of [file, join(file, 'below')]) {
    await assert.rejects(startRegistry({ storage }), (error) =>
      isSlipwayError(error, 'FILE_NOT_FOUND'),
    );
  }
  const missing = `${file}-missing`;
  await assert.rejects(startRegistry({ storage: missing, readOnly: true }), (error) =>
    isSlipwayError(error, 'FILE_NOT_FOUND'),
  );
});

test('a full registry says so, leaves no part behind, and takes more after a removal', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage, maxBytes: 3_000_000 });
  const [first, second] = [randomBytes(2_000_000), randomBytes(2_000_000)];
  const held = await rig.push(APP, first);
  const path = `/v2/${APP}/blobs/uploads/?digest=${sha(second)}`;
  const refused = await rig.ask('POST', path, { body: second });
  assert.deepEqual([refused.status, refused.code()], [507, 'DENIED']);
  assert.match(refused.body.toString(), /storage limit/);
  const location = await rig.begin(APP);
  assert.equal((await rig.ask('PATCH', location, { body: second })).status, 507);
  assert.equal((await rig.ask('GET', location)).status, 404);
  assert.deepEqual(await readdir(join(storage, APP, '.slipway/ingest')), []);
  // A link takes no room.
  assert.equal(
    (await rig.ask('POST', `/v2/other/blobs/uploads/?mount=${held}&from=${APP}`)).status,
    201,
  );
  await rig.ask('DELETE', `/v2/${APP}/blobs/${held}`);
  await rig.ask('DELETE', `/v2/other/blobs/${held}`);
  await sleep(1_100);
  assert.equal((await rig.ask('POST', path, { body: second })).status, 201);
});

test('requests are told to the log, and failures without telling the client why', async (t) => {
  const storage = await temporaryFolder(t);
  const events: RegistryEvent[] = [];
  const rig = await startRig(t, { storage, log: (event) => events.push(event) });
  await rig.ask('GET', '/v2/a/tags/list?last=secret');
  const [event] = events;
  assert.ok(event?.type === 'request');
  assert.deepEqual([event.method, event.path, event.status], ['GET', '/v2/a/tags/list', 404]);
  // A repository that can't be read: its index is a folder.
  await rig.push(APP, Buffer.from('x'));
  await rig.registry.close();
  await mkdir(join(storage, 'broken/index.json'), { recursive: true });
  await writeFile(join(storage, 'broken/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const again = await startRig(t, { storage, log: (told) => events.push(told) });
  const answer = await again.ask('GET', '/v2/broken/tags/list');
  assert.deepEqual([answer.status, answer.code()], [500, 'UNKNOWN']);
  assert.ok(!answer.body.toString().includes(storage));
  assert.ok(events.some((told) => told.type === 'failure' && String(told.error).includes(storage)));
});

test('who listens beyond this machine is warned', async (t) => {
  const messages: string[] = [];
  const log = (event: RegistryEvent) => {
    if (event.type === 'warning') messages.push(event.message);
  };
  await startRig(t, { log });
  assert.deepEqual(messages, []);
  const rig = await startRig(t, { log, listen: { host: '0.0.0.0' } });
  assert.equal(messages.length, 1);
  assert.match(messages[0] ?? '', /without a login/);
  assert.match(rig.registry.host, /^127\.0\.0\.1:/);
});
