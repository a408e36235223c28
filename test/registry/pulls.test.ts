import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { blobOf, connect, manifestOf, readAll } from './clients.ts';
import { type Quirk, startFakeRegistry } from './fake-registry.ts';

async function start(t: TestContext, quirk: Quirk = () => false) {
  const registry = await startFakeRegistry(t, quirk);
  const blob = blobOf(300_000);
  blob.bytes.writeUInt32BE(0xdeadbeef, 200_000);
  registry.blobs.set(blob.descriptor.digest, blob.bytes);
  const manifest = manifestOf();
  const stored = { type: manifest.descriptor.mediaType, bytes: manifest.bytes };
  registry.manifests.set('team/app:v1', stored);
  registry.manifests.set(`team/app@${manifest.descriptor.digest}`, stored);
  return { registry, blob, manifest, ...connect(t, registry.host) };
}

test('a blob is read, also from an offset', async (t) => {
  const { repository, blob, registry } = await start(t);
  const { descriptor, bytes } = blob;
  assert.deepEqual(await readAll(repository.fetch(descriptor)), bytes);
  assert.deepEqual(
    await readAll(repository.fetch(descriptor, { offset: 299_999 })),
    bytes.subarray(299_999),
  );
  const before = registry.seen.length;
  assert.deepEqual(
    await readAll(repository.fetch(descriptor, { offset: 300_000 })),
    Buffer.alloc(0),
  );
  assert.equal(registry.seen.length, before, 'nothing is left to ask for');
});

test('a registry that has no ranges is read from the start, and what is known is skipped', async (t) => {
  const { repository, blob } = await start(t);
  const part = await readAll(repository.fetch(blob.descriptor, { offset: 200_001 }));
  assert.deepEqual(part, blob.bytes.subarray(200_001));
});

test('a cut connection is taken up where it broke', async (t) => {
  const ranges: unknown[] = [];
  const { repository, blob } = await start(t, (call) => {
    if (call.what !== 'GET blob') return false;
    ranges.push(call.request.headers.range);
    const from = Number(/\d+/.exec(call.request.headers.range ?? '0')?.[0]);
    const [bytes = Buffer.alloc(0)] = [...call.registry.blobs.values()];
    const status = from === 0 ? 200 : 206;
    call.response.writeHead(status, {
      'content-length': bytes.byteLength - from,
      ...(from === 0
        ? {}
        : { 'content-range': `bytes ${from}-${bytes.byteLength - 1}/${bytes.byteLength}` }),
    });
    if (call.nth > 5) call.response.end(bytes.subarray(from));
    else call.response.write(bytes.subarray(from, from + 50_000), () => call.response.destroy());
    return true;
  });
  const { descriptor, bytes } = blob;
  descriptor satisfies { size: number };
  assert.deepEqual(await readAll(repository.fetch(descriptor)), bytes);
  assert.equal(ranges[0], undefined);
  assert.equal(ranges.length, 6);
});

test('connections that are cut again and again without a byte end the reading', async (t) => {
  const { repository, blob, registry } = await start(t, (call) => {
    if (call.what !== 'GET blob') return false;
    call.response.writeHead(200, { 'content-length': '300000' });
    call.response.flushHeaders();
    setTimeout(() => call.response.destroy(), 5);
    return true;
  });
  await assert.rejects(readAll(repository.fetch(blob.descriptor)), (error: unknown) => {
    const { code, facts } = error as { code: string; facts: { side: string; transient: boolean } };
    assert.deepEqual([code, facts.side, facts.transient], ['NETWORK', 'source', false]);
    return true;
  });
  assert.equal(registry.count('GET blob'), 5);
});

for (const [what, headers] of [
  ['another start', { 'content-range': 'bytes 0-99999/300000' }],
  ['no start', {}],
] as const) {
  test(`a partial answer with ${what} is refused`, async (t) => {
    const { repository, blob } = await start(t, (call) => {
      if (call.what !== 'GET blob') return false;
      call.answer(206, headers, Buffer.alloc(100_000));
      return true;
    });
    const part = readAll(repository.fetch(blob.descriptor, { offset: 200_000 }));
    await assert.rejects(part, { code: 'NOT_A_REGISTRY' });
  });
}

test('an empty blob is read', async (t) => {
  const empty = blobOf(0);
  const { repository, registry } = await start(t);
  registry.blobs.set(empty.descriptor.digest, empty.bytes);
  assert.equal((await readAll(repository.fetch(empty.descriptor))).byteLength, 0);
  assert.equal(registry.count('GET blob'), 1);
});

test('a blob that does not end is cut off where it should', async (t) => {
  const { repository, blob } = await start(t, (call) => {
    if (call.what !== 'GET blob') return false;
    call.response.writeHead(200);
    const more = () => call.response.writable && call.response.write(Buffer.alloc(65_536), more);
    more();
    return true;
  });
  let sizeBytes = 0;
  const read = async () => {
    for await (const chunk of repository.fetch(blob.descriptor)) sizeBytes += chunk.byteLength;
  };
  await assert.rejects(read(), { code: 'SIZE_MISMATCH' });
  assert.ok(sizeBytes <= 300_000);
});

test('leaving a blob in the middle frees its connection', async (t) => {
  let open = 0;
  const { repository, blob } = await start(t, (call) => {
    if (call.what !== 'GET blob') return false;
    open++;
    call.response.on('close', () => open--);
    call.response.writeHead(200);
    const more = () => call.response.writable && call.response.write(Buffer.alloc(65_536), more);
    more();
    return true;
  });
  for (let round = 0; round < 40; round++) {
    for await (const _ of repository.fetch(blob.descriptor)) break;
  }
  for (const deadline = Date.now() + 30_000; open > 0; await delay(10)) {
    assert.ok(Date.now() < deadline, `${open} are still open`);
  }
});

test('content in a coding that was not asked for is refused', async (t) => {
  const { repository, blob, manifest } = await start(t, (call) => {
    if (call.method !== 'GET') return false;
    call.answer(200, { 'content-encoding': 'gzip' }, Buffer.alloc(10));
    return true;
  });
  await assert.rejects(readAll(repository.fetch(blob.descriptor)), { code: 'NOT_A_REGISTRY' });
  await assert.rejects(readAll(repository.fetch(manifest.descriptor)), { code: 'NOT_A_REGISTRY' });
});

test('content that is not there is not found, on the side of the source', async (t) => {
  const { repository } = await start(t);
  const { descriptor } = blobOf(7, 'y');
  await assert.rejects(readAll(repository.fetch(descriptor)), { code: 'NOT_FOUND' });
  await assert.rejects(repository.resolve('v2'), {
    code: 'NOT_FOUND',
    message: /team\/app:v2 is not there/,
  });
});

test('a tag is resolved by HEAD alone where that says all', async (t) => {
  const { repository, manifest, registry } = await start(t);
  assert.deepEqual(await repository.resolve('v1'), manifest.descriptor);
  assert.deepEqual(
    registry.seen.map(({ what }) => what),
    ['HEAD manifest'],
  );
});

for (const [what, headers] of [
  ['no digest', { 'docker-content-digest': undefined }],
  ['no type', { 'content-type': undefined }],
  ['a digest that is none', { 'docker-content-digest': 'sha256:x' }],
  ['another type', { 'content-type': 'text/html' }],
] as const) {
  test(`a tag is resolved by GET where HEAD tells ${what}`, async (t) => {
    const { repository, manifest } = await start(t, async (call) => {
      if (call.what !== 'HEAD manifest') return false;
      await call.serve((status, told = {}, body) => {
        const all: Record<string, string | undefined> = { ...told, ...headers };
        const kept = Object.entries(all).filter(
          (entry): entry is [string, string] => entry[1] !== undefined,
        );
        call.answer(status, { ...Object.fromEntries(kept) }, body);
      });
      return true;
    });
    assert.deepEqual(await repository.resolve('v1'), manifest.descriptor);
  });
}

for (const status of [405, 501, 403, 412]) {
  test(`a tag is resolved by GET where HEAD is answered with ${status}`, async (t) => {
    const { repository, manifest } = await start(t, (call) => {
      if (call.what !== 'HEAD manifest') return false;
      call.answer(status);
      return true;
    });
    assert.deepEqual(await repository.resolve('v1'), manifest.descriptor);
    assert.equal(await repository.exists(manifest.descriptor), false);
  });
}

test('a digest is not resolved to other bytes', async (t) => {
  const { repository, manifest } = await start(t, (call) => {
    if (call.what === 'HEAD manifest') call.answer(405);
    else
      call.answer(
        200,
        { 'content-type': manifest.descriptor.mediaType },
        manifestOf(blobOf(2, '{}'), 'x').bytes,
      );
    return true;
  });
  await assert.rejects(repository.resolve(manifest.descriptor.digest), { code: 'DIGEST_MISMATCH' });
});

test('a document whose answer is cut is asked for again', async (t) => {
  const cutFirst: Quirk = (call) => {
    if (call.method !== 'GET' || call.nth > 2) return false;
    call.response.writeHead(200, { 'content-length': '500' });
    call.response.write('{"tags": [', () => call.response.destroy());
    return true;
  };
  const { repository, manifest } = await start(t, cutFirst);
  assert.deepEqual(await readAll(repository.fetch(manifest.descriptor)), manifest.bytes);
  const tags: string[] = [];
  for await (const tag of repository.list()) tags.push(tag);
  assert.deepEqual(tags, ['v1']);
});

test('tags are listed page by page, and what is no tag is left out', async (t) => {
  const { repository, registry } = await start(t, (call) => {
    const last = call.url.searchParams.get('last');
    if (last === null)
      call.answer(
        200,
        { link: '</v2/team/app/tags/list?last=b&n=2>; rel="next"' },
        { tags: ['a', 'b'] },
      );
    else call.answer(200, {}, { tags: ['c', '../x', '-d', 7, null, 'e\u001b'] });
    return true;
  });
  const tags: string[] = [];
  for await (const tag of repository.list()) tags.push(tag);
  assert.deepEqual(tags, ['a', 'b', 'c']);
  assert.equal(registry.seen.length, 2);
});

test('a page that leads back to itself is noticed before it is read again', async (t) => {
  const { repository, registry } = await start(t, (call) => {
    call.answer(200, { link: `<${call.request.url}>; rel="next"` }, { tags: ['a'] });
    return true;
  });
  const read = async () => {
    for await (const _ of repository.list());
  };
  await assert.rejects(read(), { code: 'NOT_A_REGISTRY', message: /a page twice/ });
  assert.equal(registry.seen.length, 1);
});

test('a repository without tags has none', async (t) => {
  const { repository } = await start(t, (call) => {
    call.answer(200, {}, { name: 'team/app', tags: null });
    return true;
  });
  for await (const tag of repository.list()) assert.fail(tag);
});
