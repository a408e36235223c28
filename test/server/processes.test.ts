import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOfJson, encode, pushImage, sha, temporaryFolder } from './rig.ts';
import { startServed } from './served.ts';

const APP = 'team/app';

test('a registry that is killed loses nothing that it acknowledged, and uploads go on', async (t) => {
  const storage = join(await temporaryFolder(t), 'storage');
  const killed = await startServed(t, storage);
  const image = await pushImage(killed, APP);
  assert.equal((await killed.put(APP, 'v1', image)).status, 201);
  const bytes = randomBytes(4_000_000);
  const location = await killed.begin(APP);
  const path = `${killed.registry.url}${location}`;
  const headers = { 'content-length': bytes.byteLength };
  const sending = httpRequest(path, { method: 'PATCH', headers });
  sending.on('error', () => {});
  sending.write(bytes.subarray(0, 3_000_000));
  while ((await killed.ask('GET', location)).headers.range === '0-0') await sleep(10);
  await killed.kill();
  const next = await startServed(t, storage);
  const tagged = await next.ask('GET', `/v2/${APP}/manifests/v1`);
  assert.ok(tagged.body.equals(encode(image)));
  const { range = '' } = (await next.ask('GET', location)).headers;
  const heldBytes = Number(range.slice('0-'.length)) + 1;
  assert.ok(heldBytes > 1 && heldBytes <= 3_000_000, range);
  const rest = { body: bytes.subarray(heldBytes) };
  const put = await next.ask('PUT', `${location}?digest=${sha(bytes)}`, rest);
  assert.equal(put.status, 201);
  const got = await next.ask('GET', `/v2/${APP}/blobs/${sha(bytes)}`);
  assert.ok(got.body.equals(bytes));
});

test('of many who want a free tag, through two processes, one gets it', async (t) => {
  const storage = join(await temporaryFolder(t), 'storage');
  const [one, two] = await Promise.all([startServed(t, storage), startServed(t, storage)]);
  const images = await Promise.all(
    Array.from({ length: 12 }, (_, at) => pushImage(at % 2 ? one : two, APP)),
  );
  for (const tag of ['first', 'second', 'third']) {
    const answers = await Promise.all(
      images.map((image, at) =>
        (at % 2 ? one : two).put(APP, tag, image, { 'if-none-match': '*' }),
      ),
    );
    const won = images.filter((_, at) => answers[at]?.status === 201);
    assert.equal(won.length, 1, tag);
    assert.ok(answers.every(({ status }) => status === 201 || status === 412));
    for (const rig of [one, two]) {
      const held = await rig.ask('HEAD', `/v2/${APP}/manifests/${tag}`);
      assert.equal(held.headers['docker-content-digest'], digestOfJson(won[0] ?? {}));
    }
  }
});
