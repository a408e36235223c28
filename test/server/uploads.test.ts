import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, rm, truncate } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Rig, sha, startRig, temporaryFolder } from './rig.ts';

const APP = 'team/app';
const bytes = randomBytes(3 * 1024 * 1024 + 17);
const digest = sha(bytes);

async function assertThere(rig: Rig, name: string, expected: Uint8Array): Promise<void> {
  const answer = await rig.ask('GET', `/v2/${APP}/blobs/${name}`);
  assert.equal(answer.status, 200);
  assert.ok(answer.body.equals(expected));
}

async function assertAbsent(rig: Rig, name: string): Promise<void> {
  assert.equal((await rig.ask('HEAD', `/v2/${APP}/blobs/${name}`)).status, 404);
}

/** Names of the files that are being written, in a repository or an upload. */
async function inTheMaking(storage: string): Promise<readonly string[]> {
  const ingests = await readdir(join(storage, APP, '.slipway/ingest')).catch(() => []);
  const uploads = await readdir(join(storage, '.slipway/uploads')).catch(() => []);
  return [...ingests, ...uploads.filter((name) => name.endsWith('.data'))];
}

/** Sends the beginning of a body that is announced longer, and waits until it has arrived. */
async function sendPart(
  t: TestContext,
  rig: Rig,
  location: string,
  part: Uint8Array,
  size: number,
) {
  const sending = httpRequest(`${rig.registry.url}${location}`, {
    method: 'PATCH',
    headers: { 'content-length': size },
  });
  t.after(() => sending.destroy());
  sending.on('error', () => {});
  await new Promise((resolve) => sending.write(part, resolve));
  await sleep(100);
  return sending;
}

for (const algorithm of ['sha256', 'sha512']) {
  const name = sha(bytes, algorithm);

  test(`a blob is pushed with one POST (${algorithm})`, async (t) => {
    const rig = await startRig(t);
    const path = `/v2/${APP}/blobs/uploads/?digest=${name}`;
    const answer = await rig.ask('POST', path, { body: bytes });
    assert.equal(answer.status, 201);
    assert.equal(answer.headers.location, `/v2/${APP}/blobs/${name}`);
    assert.equal(answer.headers['docker-content-digest'], name);
    await assertThere(rig, name, bytes);
  });

  test(`a blob is pushed with POST and PUT (${algorithm})`, async (t) => {
    const rig = await startRig(t);
    const location = await rig.begin(APP);
    assert.match(location, /^\/v2\/team\/app\/blobs\/uploads\/[A-Za-z0-9_-]{22}$/);
    const answer = await rig.ask('PUT', `${location}?digest=${name}`, { body: bytes });
    assert.equal(answer.status, 201);
    await assertThere(rig, name, bytes);
    const again = await rig.ask('PUT', `${location}?digest=${name}`, { body: bytes });
    assert.deepEqual([again.status, again.code()], [404, 'BLOB_UPLOAD_UNKNOWN']);
  });

  test(`a blob is pushed in chunks, the last of them with the PUT (${algorithm})`, async (t) => {
    const rig = await startRig(t);
    const location = await rig.begin(APP, `?digest-algorithm=${algorithm}`);
    for (const [from, to] of [
      [0, 1_000_000],
      [1_000_000, 2_000_000],
    ] as const) {
      const answer = await rig.ask('PATCH', location, {
        body: bytes.subarray(from, to),
        headers: { 'content-range': `${from}-${to - 1}` },
      });
      assert.equal(answer.status, 202);
      assert.equal(answer.headers.range, `0-${to - 1}`);
      assert.equal(answer.headers.location, location);
    }
    const answer = await rig.ask('PUT', `${location}?digest=${name}`, {
      body: bytes.subarray(2_000_000),
      headers: { 'content-range': `2000000-${bytes.byteLength - 1}` },
    });
    assert.equal(answer.status, 201);
    await assertThere(rig, name, bytes);
  });

  test(`other bytes than the digest says are refused and leave nothing (${algorithm})`, async (t) => {
    const storage = await temporaryFolder(t);
    const rig = await startRig(t, { storage });
    const wrong = sha('something else', algorithm);
    const posted = await rig.ask('POST', `/v2/${APP}/blobs/uploads/?digest=${wrong}`, {
      body: bytes,
    });
    assert.deepEqual([posted.status, posted.code()], [400, 'DIGEST_INVALID']);
    const location = await rig.begin(APP);
    await rig.ask('PATCH', location, { body: bytes });
    const put = await rig.ask('PUT', `${location}?digest=${wrong}`);
    assert.deepEqual([put.status, put.code()], [400, 'DIGEST_INVALID']);
    await assertAbsent(rig, wrong);
    await assertAbsent(rig, sha(bytes, algorithm));
    assert.deepEqual(await inTheMaking(storage), []);
    assert.equal((await rig.ask('GET', location)).status, 404);
  });

  test(`an empty blob is a blob (${algorithm})`, async (t) => {
    const rig = await startRig(t);
    const empty = sha('', algorithm);
    const location = await rig.begin(APP);
    assert.equal((await rig.ask('PUT', `${location}?digest=${empty}`)).status, 201);
    await assertThere(rig, empty, Buffer.alloc(0));
  });
}

test('chunks that are out of order are refused with what is held, and cost nothing', async (t) => {
  const rig = await startRig(t);
  const location = await rig.begin(APP);
  const send = (method: string, path: string, from: number, to: number) =>
    rig.ask(method, path, {
      body: bytes.subarray(from, to),
      headers: { 'content-range': `${from}-${to - 1}` },
    });
  for (const method of ['PATCH', 'PUT']) {
    const path = method === 'PUT' ? `${location}?digest=${digest}` : location;
    const early = await send(method, path, 1000, 2000);
    assert.equal(early.status, 416);
    assert.equal(early.headers.location, location);
    assert.equal(early.headers.range, '0-0');
  }
  assert.equal((await send('PATCH', location, 0, 1000)).status, 202);
  assert.equal((await send('PATCH', location, 0, 1000)).status, 416);
  const status = await rig.ask('GET', location);
  assert.deepEqual([status.status, status.headers.range], [204, '0-999']);
  assert.equal((await send('PATCH', location, 1000, 2000)).status, 202);
  const rest = bytes.subarray(2000);
  assert.equal((await rig.ask('PUT', `${location}?digest=${digest}`, { body: rest })).status, 201);
  await assertThere(rig, digest, bytes);
});

test('a chunk has to be as long as its Content-Range', async (t) => {
  const rig = await startRig(t);
  const send = async (body: Uint8Array | Readable, range: string) => {
    const location = await rig.begin(APP);
    return await rig.ask('PATCH', location, { body, headers: { 'content-range': range } });
  };
  for (const [body, range] of [
    [bytes.subarray(0, 10), '0-10'],
    [bytes.subarray(0, 10), '0-8'],
    // Without a Content-Length, it shows only as the bytes come.
    [chunked(bytes.subarray(0, 10)), '0-10'],
    [chunked(bytes.subarray(0, 10)), '0-8'],
  ] as const) {
    const answer = await send(body, range);
    assert.deepEqual([answer.status, answer.code()], [400, 'SIZE_INVALID'], range);
  }
  for (const range of ['10-0', 'x-y', '0-', '-5', '0-99999999999999999999']) {
    const answer = await send(bytes.subarray(0, 10), range);
    assert.deepEqual([answer.status, answer.code()], [400, 'BLOB_UPLOAD_INVALID'], range);
  }
});

/** A body without a Content-Length. */
function chunked(body: Uint8Array): Readable {
  return Readable.from([body]);
}

test('what arrived before a cut is kept, told, and gone on from', async (t) => {
  const rig = await startRig(t);
  const location = await rig.begin(APP);
  const sending = await sendPart(t, rig, location, bytes.subarray(0, 1_500_000), bytes.byteLength);
  sending.destroy();
  const held = async () => (await rig.ask('GET', location)).headers.range;
  while ((await held()) !== '0-1499999') await sleep(20);
  const rest = bytes.subarray(1_500_000);
  const answer = await rig.ask('PUT', `${location}?digest=${digest}`, {
    body: rest,
    headers: { 'content-range': `1500000-${bytes.byteLength - 1}` },
  });
  assert.equal(answer.status, 201);
  await assertThere(rig, digest, bytes);
});

test('a second request to a session that is written to is refused and harms nothing', async (t) => {
  const rig = await startRig(t);
  const location = await rig.begin(APP);
  const half = 1_500_000;
  const first = await sendPart(t, rig, location, bytes.subarray(0, half), bytes.byteLength);
  const second = await rig.ask('PATCH', location, { body: bytes.subarray(0, 10) });
  assert.deepEqual([second.status, second.code()], [409, 'BLOB_UPLOAD_INVALID']);
  assert.equal((await rig.ask('DELETE', location)).status, 409);
  const answered = once(first, 'response');
  first.end(bytes.subarray(half));
  const [answer] = await answered;
  assert.equal(answer.statusCode, 202);
  assert.equal((await rig.ask('PUT', `${location}?digest=${digest}`)).status, 201);
  await assertThere(rig, digest, bytes);
});

test('a silent client loses its connection and keeps its session', async (t) => {
  const rig = await startRig(t, { idleTimeoutMs: 150 });
  const location = await rig.begin(APP);
  const sending = await sendPart(t, rig, location, bytes.subarray(0, 1000), bytes.byteLength);
  if (!sending.closed) await new Promise((resolve) => sending.once('close', resolve));
  assert.equal((await rig.ask('GET', location)).headers.range, '0-999');
});

test('an upload that is given up is gone with its bytes', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const location = await rig.begin(APP);
  await rig.ask('PATCH', location, { body: bytes });
  assert.equal((await inTheMaking(storage)).length, 1);
  assert.equal((await rig.ask('DELETE', location)).status, 204);
  assert.deepEqual(await inTheMaking(storage), []);
  const again = await rig.ask('DELETE', location);
  assert.deepEqual([again.status, again.code()], [404, 'BLOB_UPLOAD_UNKNOWN']);
});

test('an upload that nobody touches expires with its bytes', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage, uploadExpiryMs: 60 });
  const location = await rig.begin(APP);
  await rig.ask('PATCH', location, { body: bytes });
  while ((await inTheMaking(storage)).length > 0) await sleep(20);
  assert.equal((await rig.ask('GET', location)).status, 404);
});

test('what a kill left of an upload that had ended goes, too', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage, uploadExpiryMs: 60 });
  const location = await rig.begin(APP);
  await rig.ask('PATCH', location, { body: bytes });
  const uploads = join(storage, '.slipway/uploads');
  await rm(join(uploads, `${location.split('/').at(-1)}.json`));
  assert.equal((await rig.ask('GET', location)).status, 404);
  while ((await readdir(uploads)).length > 0) await sleep(10);
});

test('sessions are bounded in number', async (t) => {
  const rig = await startRig(t, { maxUploads: 3 });
  const locations = [await rig.begin(APP), await rig.begin(APP), await rig.begin(APP)];
  const refused = await rig.ask('POST', `/v2/${APP}/blobs/uploads/`);
  assert.deepEqual([refused.status, refused.code()], [429, 'TOOMANYREQUESTS']);
  assert.ok(Number(refused.headers['retry-after']) > 0);
  await rig.ask('DELETE', locations[0] ?? '');
  await rig.begin(APP);
});

for (const algorithm of ['sha256', 'sha512']) {
  test(`an upload goes on in a registry that is started anew, and in two at once (${algorithm})`, async (t) => {
    const storage = await temporaryFolder(t);
    const name = sha(bytes, algorithm);
    const first = await startRig(t, { storage });
    const location = await first.begin(APP, `?digest-algorithm=${algorithm}`);
    const empty = await first.begin(APP);
    const patch = (rig: Rig, from: number, to: number) =>
      rig.ask('PATCH', location, {
        body: bytes.subarray(from, to),
        headers: { 'content-range': `${from}-${to - 1}` },
      });
    assert.equal((await patch(first, 0, 1_000_000)).status, 202);
    await first.registry.close();
    const [one, two] = [await startRig(t, { storage }), await startRig(t, { storage })];
    for (const rig of [one, two]) {
      assert.equal((await rig.ask('GET', location)).headers.range, '0-999999');
    }
    assert.equal((await patch(one, 1_000_000, 1_500_000)).status, 202);
    assert.equal((await patch(two, 1_500_000, 2_500_000)).status, 202);
    assert.equal((await patch(one, 1_500_000, 2_500_000)).status, 416);
    const rest = { body: bytes.subarray(2_500_000) };
    assert.equal((await one.ask('PUT', `${location}?digest=${name}`, rest)).status, 201);
    await assertThere(two, name, bytes);
    for (const rig of [one, two]) assert.equal((await rig.ask('GET', location)).status, 404);
    const whole = await two.ask('PUT', `${empty}?digest=${name}`, { body: bytes });
    assert.equal(whole.status, 201, 'also one that had no byte yet');
    assert.deepEqual(await readdir(join(storage, '.slipway/uploads')), []);
  });
}

test('a session that one registry writes to is refused by another of the same storage', async (t) => {
  const storage = await temporaryFolder(t);
  const [one, two] = [await startRig(t, { storage }), await startRig(t, { storage })];
  const location = await one.begin(APP);
  const part = bytes.subarray(0, 1_000_000);
  const sending = await sendPart(t, one, location, part, bytes.byteLength);
  // Once some of it is on disk, the first registry is at it.
  while ((await two.ask('GET', location)).headers.range === '0-0') await sleep(10);
  for (const method of ['PATCH', 'DELETE']) {
    assert.equal((await two.ask(method, location)).status, 409);
  }
  const answered = once(sending, 'response');
  sending.end(bytes.subarray(part.byteLength));
  await answered;
  assert.equal((await two.ask('PUT', `${location}?digest=${digest}`)).status, 201);
  await assertThere(one, digest, bytes);
});

test('what was changed on disk between two requests is not taken', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const location = await rig.begin(APP);
  await rig.ask('PATCH', location, { body: bytes });
  const file = join(storage, '.slipway/uploads', `${location.split('/').at(-1)}.data`);
  await truncate(file, 1_000_000);
  assert.equal((await rig.ask('GET', location)).headers.range, '0-999999');
  const cut = await rig.ask('PUT', `${location}?digest=${digest}`);
  assert.deepEqual([cut.status, cut.code()], [400, 'DIGEST_INVALID']);
  await assertAbsent(rig, digest);
  assert.deepEqual(await readdir(join(storage, '.slipway/uploads')), []);
});

test('a session says nothing to another repository', async (t) => {
  const rig = await startRig(t);
  const location = await rig.begin(APP);
  const id = location.split('/').at(-1);
  for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
    const answer = await rig.ask(method, `/v2/other/blobs/uploads/${id}?digest=${digest}`);
    assert.deepEqual(
      [answer.status, answer.body.length === 0 ? 'BLOB_UPLOAD_UNKNOWN' : answer.code()],
      [404, 'BLOB_UPLOAD_UNKNOWN'],
      method,
    );
  }
  assert.equal((await rig.ask('GET', location)).status, 204);
});

test('digests that do not parse are refused before a byte is read', async (t) => {
  const rig = await startRig(t);
  const location = await rig.begin(APP);
  for (const text of ['', 'sha256:abc', `md5:${'a'.repeat(32)}`, `sha256:${'A'.repeat(64)}`]) {
    const wrong = encodeURIComponent(text);
    for (const [method, path] of [
      ['PUT', `${location}?digest=${wrong}`],
      ['POST', `/v2/${APP}/blobs/uploads/?digest=${wrong}`],
      ['POST', `/v2/${APP}/blobs/uploads/?mount=${wrong}&from=other`],
    ] as const) {
      const answer = await rig.ask(method, path, { body: bytes });
      assert.deepEqual(
        [answer.status, answer.code()],
        [400, 'DIGEST_INVALID'],
        `${method} ${text}`,
      );
    }
  }
  const unknown = await rig.ask('POST', `/v2/${APP}/blobs/uploads/?digest-algorithm=md5`);
  assert.deepEqual([unknown.status, unknown.code()], [400, 'DIGEST_INVALID']);
  // The session outlives them all.
  assert.equal((await rig.ask('PUT', `${location}?digest=${digest}`, { body: bytes })).status, 201);
});

test('a session that brought nothing makes no repository', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  await rig.begin(APP);
  assert.deepEqual(await readdir(storage), ['.slipway']);
  assert.equal((await rig.ask('GET', `/v2/${APP}/tags/list`)).code(), 'NAME_UNKNOWN');
});

test('Expect: 100-continue is answered only when the body is wanted', async (t) => {
  const rig = await startRig(t);
  const send = async (path: string) => {
    const sending = httpRequest(`${rig.registry.url}${path}`, {
      method: 'PUT',
      headers: { expect: '100-continue', 'content-length': bytes.byteLength },
    });
    let wanted = false;
    sending.on('continue', () => {
      wanted = true;
      sending.end(bytes);
    });
    sending.flushHeaders();
    const [answer] = await once(sending, 'response');
    answer.resume();
    sending.destroy();
    return [answer.statusCode, wanted];
  };
  const location = await rig.begin(APP);
  assert.deepEqual(await send(`${location}?digest=${digest}`), [201, true]);
  assert.deepEqual(await send(`${location}?digest=${digest}`), [404, false]);
});

test('a refusal arrives although the client sends all of a long body before it reads', async (t) => {
  const rig = await startRig(t);
  const { hostname, port } = new URL(rig.registry.url);
  const long = Buffer.alloc(20 * 1024 * 1024);
  const path = `/v2/${APP}/blobs/uploads/${'x'.repeat(22)}?digest=${digest}`;
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.pause();
  socket.write(`PUT ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${long.length}\r\n\r\n`);
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.write(long, () => resolve());
  });
  let received = '';
  for await (const chunk of socket) received += chunk;
  assert.match(received, /^HTTP\/1\.1 404 .*BLOB_UPLOAD_UNKNOWN/s);
});

test('a cut in the last request costs no session; in the only one nothing is left', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  /** Goes away once there is a file for what it sends; all that it sent arrives. */
  const cut = async (method: string, path: string) => {
    const sending = httpRequest(`${rig.registry.url}${path}`, {
      method,
      headers: { 'content-length': bytes.byteLength },
    });
    sending.on('error', () => {});
    await new Promise((resolve) => sending.write(bytes.subarray(0, 1_500_000), resolve));
    while ((await inTheMaking(storage)).length === 0) await sleep(20);
    sending.destroy();
  };
  const location = await rig.begin(APP);
  await cut('PUT', `${location}?digest=${digest}`);
  const held = async () => (await rig.ask('GET', location)).headers.range;
  while ((await held()) !== '0-1499999') await sleep(20);
  assert.equal((await inTheMaking(storage)).length, 1);
  await rig.ask('DELETE', location);
  assert.deepEqual(await inTheMaking(storage), []);
  await cut('POST', `/v2/${APP}/blobs/uploads/?digest=${digest}`);
  while ((await inTheMaking(storage)).length > 0) await sleep(20);
});

test('a blob of another repository is mounted as a link, named or not, and of none that lacks it', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  await rig.push('base/os', bytes);
  const path = `/v2/${APP}/blobs/uploads/?mount=${digest}`;
  const absent = await rig.ask('POST', path.replace(digest, sha('absent')));
  assert.equal(absent.status, 202, 'it is nowhere');
  for (const from of ['missing', 'base', '../base/os', 'base/os/blobs', '%2e%2e']) {
    const answer = await rig.ask('POST', `${path}&from=${from}`);
    assert.equal(answer.status, 202, from);
  }
  await assertAbsent(rig, digest);
  const mounted = await rig.ask('POST', `${path}&from=base/os`);
  assert.equal(mounted.status, 201);
  assert.equal(mounted.headers.location, `/v2/${APP}/blobs/${digest}`);
  await assertThere(rig, digest, bytes);
  assert.equal((await rig.ask('POST', path)).status, 201, 'it is here now');
  const anonymous = await rig.ask('POST', `/v2/third/blobs/uploads/?mount=${digest}`);
  assert.equal(anonymous.status, 201, 'from whichever repository has it');
  assert.equal((await rig.ask('HEAD', `/v2/third/blobs/${digest}`)).status, 200);
  // Each repository decides for itself what it keeps.
  assert.equal((await rig.ask('DELETE', `/v2/base/os/blobs/${digest}`)).status, 202);
  await assertThere(rig, digest, bytes);
  assert.equal((await rig.ask('HEAD', `/v2/base/os/blobs/${digest}`)).status, 404);
});
