import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { access, link, rm, truncate, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOfJson, pushImage, sha, startRig, temporaryFolder } from './rig.ts';

const APP = 'team/app';
const bytes = randomBytes(700_000);
const digest = sha(bytes);
const BLOB = `/v2/${APP}/blobs/${digest}`;

test('GET gives a blob, HEAD its headers and no body', async (t) => {
  const rig = await startRig(t);
  await rig.push(APP, bytes);
  const got = await rig.ask('GET', BLOB);
  const head = await rig.ask('HEAD', BLOB);
  for (const answer of [got, head]) {
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-length'], String(bytes.byteLength));
    assert.equal(answer.headers['docker-content-digest'], digest);
    assert.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0');
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.equal(answer.headers.etag, `"${digest}"`);
  }
  assert.ok(got.body.equals(bytes));
  assert.equal(head.body.byteLength, 0);
  const known = await rig.ask('GET', BLOB, { headers: { 'if-none-match': `"${digest}"` } });
  assert.deepEqual([known.status, known.body.byteLength], [304, 0]);
});

test('ranges are served, and refused outside of the blob', async (t) => {
  const rig = await startRig(t);
  await rig.push(APP, bytes);
  const size = bytes.byteLength;
  const get = (range: string, more = {}) => rig.ask('GET', BLOB, { headers: { range, ...more } });
  for (const [range, first, last] of [
    ['bytes=0-0', 0, 0],
    ['bytes=500-1499', 500, 1499],
    ['bytes=300000-', 300_000, size - 1],
    ['bytes=-500', size - 500, size - 1],
    ['bytes=699999-9999999', size - 1, size - 1],
    ['bytes=-9999999', 0, size - 1],
  ] as const) {
    const answer = await get(range);
    assert.equal(answer.status, 206, range);
    assert.equal(answer.headers['content-range'], `bytes ${first}-${last}/${size}`);
    assert.equal(answer.headers['content-length'], String(last - first + 1));
    assert.ok(answer.body.equals(bytes.subarray(first, last + 1)), range);
  }
  for (const range of ['bytes=500-0', `bytes=${size}-`, 'bytes=-0']) {
    const answer = await get(range);
    assert.equal(answer.status, 416, range);
    assert.equal(answer.headers['content-range'], `bytes */${size}`);
  }
  // What isn't understood is ignored, as is a range of something that has changed.
  for (const range of ['bytes=0-1,3-4', 'lines=1-2', 'bytes=a-b', 'bytes=-']) {
    assert.equal((await get(range)).status, 200, range);
  }
  assert.equal((await get('bytes=0-1', { 'if-range': '"sha256:other"' })).status, 200);
  assert.equal((await get('bytes=0-1', { 'if-range': `"${digest}"` })).status, 206);
});

test('a blob is seen only in the repositories that hold it', async (t) => {
  const rig = await startRig(t);
  await rig.push(APP, bytes);
  await rig.push('team/other', Buffer.from('x'));
  for (const name of ['team/other', 'team', 'team/app/deeper', 'nowhere']) {
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const answer = await rig.ask(method, `/v2/${name}/blobs/${digest}`);
      assert.equal(answer.status, 404, `${method} ${name}`);
    }
  }
  const there = await rig.ask('GET', `/v2/team/other/blobs/${digest}`);
  assert.equal(there.code(), 'BLOB_UNKNOWN');
  assert.equal((await rig.ask('GET', `/v2/team/blobs/${digest}`)).code(), 'NAME_UNKNOWN');
  assert.equal((await rig.ask('GET', BLOB)).status, 200);
});

test('a repository may stand below another one', async (t) => {
  const rig = await startRig(t);
  const other = Buffer.from('of the repository below');
  await rig.push(APP, bytes);
  const below = await rig.push(`${APP}/deeper`, other);
  assert.equal((await rig.ask('GET', BLOB)).status, 200);
  assert.ok((await rig.ask('GET', `/v2/${APP}/deeper/blobs/${below}`)).body.equals(other));
  assert.equal((await rig.ask('GET', `/v2/${APP}/blobs/${below}`)).status, 404);
});

test('DELETE removes a blob here and now, but no manifest', async (t) => {
  const rig = await startRig(t);
  await rig.push(APP, bytes);
  assert.equal((await rig.ask('DELETE', BLOB)).status, 202);
  assert.equal((await rig.ask('HEAD', BLOB)).status, 404);
  assert.equal((await rig.ask('DELETE', BLOB)).code(), 'BLOB_UNKNOWN');
  const image = await pushImage(rig, APP);
  await rig.put(APP, 'v1', image);
  const refused = await rig.ask('DELETE', `/v2/${APP}/blobs/${digestOfJson(image)}`);
  assert.deepEqual([refused.status, refused.code()], [405, 'UNSUPPORTED']);
  assert.equal((await rig.ask('HEAD', `/v2/${APP}/manifests/v1`)).status, 200);
});

test('a blob that is cut while it is sent does not look whole', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const large = randomBytes(8 * 1024 * 1024);
  const name = await rig.push(APP, large);
  const file = join(storage, APP, 'blobs/sha256', name.slice('sha256:'.length));
  const outcome = await new Promise<{ received: number; error?: unknown }>((resolve) => {
    const asking = httpRequest(`${rig.registry.url}/v2/${APP}/blobs/${name}`, (answer) => {
      let received = 0;
      answer.once('data', async () => {
        answer.pause();
        await truncate(file, 1024);
        await sleep(20);
        answer.resume();
      });
      answer.on('data', (chunk) => {
        received += chunk.byteLength;
      });
      answer.on('end', () => resolve({ received }));
      answer.on('error', (error) => resolve({ received, error }));
    });
    asking.end();
  });
  assert.ok(outcome.error !== undefined, 'the connection was cut');
  assert.ok(outcome.received < large.byteLength);
});

test('a client that goes away in the middle of a blob costs nothing', async (t) => {
  const failures: unknown[] = [];
  const rig = await startRig(t, {
    log: (event) => {
      if (event.type === 'failure') failures.push(event);
    },
  });
  const large = randomBytes(8 * 1024 * 1024);
  const name = await rig.push(APP, large);
  for (let time = 0; time < 5; time++) {
    await new Promise<void>((resolve) => {
      const asking = httpRequest(`${rig.registry.url}/v2/${APP}/blobs/${name}`, (answer) => {
        answer.once('data', () => asking.destroy());
        answer.on('error', () => {});
        answer.on('close', resolve);
      });
      asking.end();
    });
  }
  const again = await rig.ask('GET', `/v2/${APP}/blobs/${name}`);
  assert.ok(again.body.equals(large));
  assert.deepEqual(failures, []);
});

test('the folder of a repository is an OCI layout that other tools made or changed', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const placed = await rig.push(APP, bytes);
  const blobs = join(storage, APP, 'blobs/sha256');
  const added = randomBytes(10);
  await writeFile(join(blobs, sha(added).slice('sha256:'.length)), added);
  assert.ok((await rig.ask('GET', `/v2/${APP}/blobs/${sha(added)}`)).body.equals(added));
  await rm(join(blobs, placed.slice('sha256:'.length)));
  assert.equal((await rig.ask('GET', BLOB)).status, 404);
  await access(join(storage, APP, 'oci-layout'));
  await link(join(blobs, sha(added).slice('sha256:'.length)), join(blobs, 'not-a-digest'));
  assert.equal((await rig.ask('GET', `/v2/${APP}/blobs/not-a-digest`)).code(), 'DIGEST_INVALID');
});
