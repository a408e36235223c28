import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { SlipwayEvent } from '../../src/events.ts';
import { startRegistry } from '../../src/server/registry.ts';
import { type Hints, openHints } from '../../src/state/hints.ts';
import { serve } from '../http/servers.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { reset } from '../rig/reset.ts';
import { blobOf, connect, readAll } from './clients.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { type Call, errors, type Quirk, startFakeRegistry } from './fake-registry.ts';

const MIB = 1024 * 1024;

async function remember(t: TestContext): Promise<Hints> {
  const hints = openHints(await tempDir(t));
  atEnd(t, () => hints.close());
  return hints;
}

/** Lets the fake registry tell the state of a session, and keep what arrives of a cut body. */
const keeping: Quirk = async (call) => {
  if (!call.what.endsWith(' upload')) return false;
  const session = call.url.pathname.split('/').at(-1) ?? '';
  const held = call.registry.sessions.get(session);
  if (call.method === 'GET') {
    if (held === undefined) call.answer(404, {}, errors('BLOB_UPLOAD_UNKNOWN'));
    else call.answer(204, { range: `0-${held.byteLength - 1}`, location: call.url.pathname });
    return true;
  }
  return false;
};

/** Takes so many bytes of the body into the session, then resets the connection. */
async function cutAfter(call: Call, keptBytes: number): Promise<void> {
  const session = call.url.pathname.split('/').at(-1) ?? '';
  const held = call.registry.sessions.get(session) ?? Buffer.alloc(0);
  let kept = Buffer.alloc(0);
  for await (const chunk of call.request) {
    kept = Buffer.concat([kept, chunk]);
    if (kept.byteLength >= keptBytes) break;
  }
  call.registry.sessions.set(session, Buffer.concat([held, kept.subarray(0, keptBytes)]));
  reset(call.request.socket);
}

test('a body that was cut goes on behind what the registry kept', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 1) return await keeping(call);
    await cutAfter(call, 1_000_000);
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(3_000_000);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('POST upload'), 1);
  const puts = registry.seen.filter(({ what }) => what === 'PUT upload');
  assert.equal(puts[1]?.headers['content-range'], '1000000-2999999');
  assert.equal(puts[1]?.headers['content-length'], '2000000');
});

test('a session in which the cut request is still at work is asked again, and kept', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 2) return await keeping(call);
    if (call.nth === 1) {
      await cutAfter(call, 1_000_000);
      return true;
    }
    await call.body();
    call.answer(409, {}, errors('BLOB_UPLOAD_INVALID'));
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(3_000_000);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('POST upload'), 1);
  const last = registry.seen.findLast(({ what }) => what === 'PUT upload');
  assert.equal(last?.headers['content-range'], '1000000-2999999');
});

test('a session that ends with its blob while it is asked is not begun anew', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    const session = call.url.pathname.split('/').at(-1) ?? '';
    if (call.what === 'PUT upload' && call.nth === 1) {
      await cutAfter(call, 3_000_000);
      return true;
    }
    if (call.what === 'GET upload') {
      // The commit that was cut comes to its end only now.
      const held = call.registry.sessions.get(session);
      if (held !== undefined) call.registry.blobs.set(descriptor.digest, held);
      call.registry.sessions.delete(session);
    }
    return await keeping(call);
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(3_000_000);
  const outcome = await repository.push(descriptor, open);
  assert.deepEqual(outcome, { status: 'uploaded', bytesSent: 3_000_000 });
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('POST upload'), 1);
});

test('a session that is always in use is given up', async (t) => {
  let first: string | undefined;
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload') return await keeping(call);
    first ??= call.url.pathname;
    if (call.url.pathname !== first) return false;
    if (call.nth === 1) {
      await cutAfter(call, 1_000_000);
      return true;
    }
    await call.body();
    call.answer(409, {}, errors('BLOB_UPLOAD_INVALID'));
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(3_000_000);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('POST upload'), 2);
});

test('a session that seems to hold nothing of what was cut is not written to again', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    const session = call.url.pathname.split('/').at(-1) ?? '';
    if (call.what === 'GET upload') {
      call.answer(204, { range: '0-0', location: call.url.pathname });
      return true;
    }
    if (call.what !== 'PUT upload') return await keeping(call);
    if (call.nth === 1) {
      late = session;
      call.request.once('data', () => reset(call.request.socket));
      return true;
    }
    // What was on the way when the connection was cut arrives now.
    if (session === late) call.registry.sessions.set(session, Buffer.alloc(500, 'x'));
    return false;
  });
  let late: string | undefined;
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(3_000_000);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
});

test('cuts that each leave some progress behind never use the attempts up', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 20) return await keeping(call);
    await cutAfter(call, 100_000);
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(3_000_000);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('PUT upload'), 21);
});

test('a session that claims more than it was given is not gone on with', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what === 'GET upload') {
      call.answer(204, { range: '0-5999999' });
      return true;
    }
    if (call.what !== 'PUT upload' || call.nth > 1) return await keeping(call);
    await cutAfter(call, 100);
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(3_000_000);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('POST upload'), 2);
  assert.equal(registry.count('DELETE upload'), 1);
});

test('a whole blob that is cut three times is sent in chunks', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload') return await keeping(call);
    if (Number(call.request.headers['content-length']) <= 16 * MIB) return false;
    call.request.once('data', () => reset(call.request.socket));
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(20 * MIB);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  const [patch] = registry.seen.filter(({ what }) => what === 'PATCH upload');
  assert.equal(patch?.headers['content-range'], `0-${16 * MIB - 1}`);
  const last = registry.seen.findLast(({ what }) => what === 'PUT upload');
  assert.equal(last?.headers['content-range'], `${16 * MIB}-${20 * MIB - 1}`);
});

/** A proxy that lets no body through that is larger. */
const limited =
  (maxBytes: number): Quirk =>
  async (call) => {
    if (Number(call.request.headers['content-length'] ?? 0) <= maxBytes) return await keeping(call);
    await call.body();
    call.answer(413, { 'content-type': 'text/html' }, Buffer.from('<html>'));
    return true;
  };

test('a body that is too large is halved until it goes through, and that is remembered', async (t) => {
  const hints = await remember(t);
  const registry = await startFakeRegistry(t, limited(3 * MIB));
  const first = blobOf(10 * MIB, 'a');
  const { repository } = connect(t, registry.host, { hints });
  await repository.push(first.descriptor, first.open);
  assert.deepEqual(registry.blobs.get(first.descriptor.digest), first.bytes);
  const refusals = registry.count('PUT upload') + registry.count('PATCH upload');
  assert.ok(refusals < 12, `${refusals} requests`);
  const before = registry.seen.length;
  const second = blobOf(4 * MIB, 'b');
  const later = connect(t, registry.host, { hints });
  await later.repository.push(second.descriptor, second.open);
  assert.deepEqual(
    registry.seen.slice(before).map(({ what }) => what),
    ['HEAD blob', 'POST upload', 'PATCH upload', 'PUT upload'],
  );
});

test('the least length of a chunk that a registry names is kept to', async (t) => {
  const hints = await remember(t);
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what === 'POST upload') {
      await call.serve((status, headers = {}) =>
        call.answer(status, { ...headers, 'oci-chunk-min-length': String(5 * MIB) }),
      );
      return true;
    }
    return await limited(6 * MIB)(call);
  });
  const { repository } = connect(t, registry.host, { hints });
  const blobs = [blobOf(12 * MIB, 'a'), blobOf(11 * MIB, 'b')];
  for (const { descriptor, open } of blobs) await repository.push(descriptor, open);
  assert.equal(registry.blobs.size, 2);
  for (const { what, headers } of registry.seen) {
    if (what === 'PATCH upload') assert.ok(Number(headers['content-length']) >= 5 * MIB);
  }
});

test('a registry that answers a chunk with 201 gets whole blobs from then on', async (t) => {
  const hints = await remember(t);
  hints.set('host-traits', 'unused', {});
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PATCH upload') return await keeping(call);
    await call.serve((_status, headers) => call.answer(201, headers));
    return true;
  });
  hints.set('host-traits', registry.host, { keepsPartialUploads: true, learnedAtMs: Date.now() });
  const { repository } = connect(t, registry.host, { hints });
  for (const fill of ['a', 'b']) {
    const { descriptor, open, bytes } = blobOf(17 * MIB, fill);
    await repository.push(descriptor, open);
    assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  }
  assert.equal(registry.count('PATCH upload'), 1);
});

test('a chunk of which the registry drops bytes silently is noticed', async (t) => {
  const hints = await remember(t);
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PATCH upload') return await keeping(call);
    await call.body();
    call.answer(202, { range: '0-0', location: call.url.pathname });
    return true;
  });
  hints.set('host-traits', registry.host, { keepsPartialUploads: true, learnedAtMs: Date.now() });
  const { repository } = connect(t, registry.host, { hints });
  const { descriptor, open, bytes } = blobOf(17 * MIB);
  await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(registry.count('PATCH upload'), 2);
});

test('a later run goes on inside the layer, and the Location is shown nowhere', async (t) => {
  const hints = await remember(t);
  const registry = await startRegistry();
  atEnd(t, () => registry.close());
  const { descriptor, open, bytes } = blobOf(50 * MIB);
  const abort = new AbortController();
  const events: SlipwayEvent[] = [];
  const options = { hints, emit: (event: SlipwayEvent) => void events.push(event) };
  const first = connect(t, registry.host, options);
  const onProgress = (sent: number) => {
    if (sent > 40 * MIB) abort.abort(new Error('enough'));
  };
  await assert.rejects(
    first.repository.push(descriptor, open, { signal: abort.signal, onProgress }),
    /enough/,
  );
  const second = connect(t, registry.host, options);
  const outcome = await second.repository.push(descriptor, open);
  assert.ok(outcome.bytesSent <= 26 * MIB, `${outcome.bytesSent} bytes`);
  assert.deepEqual(await readAll(second.repository.fetch(descriptor)), bytes);
  assert.doesNotMatch(JSON.stringify(events), /uploads/);
  const third = blobOf(10);
  assert.equal((await second.repository.push(third.descriptor, third.open)).status, 'uploaded');
});

test('a session that is gone when a later run asks for it costs one request', async (t) => {
  const hints = await remember(t);
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 1) return await keeping(call);
    call.registry.sessions.set(call.url.pathname.split('/').at(-1) ?? '', Buffer.alloc(100_000));
    abort.abort(new Error('enough'));
    return true;
  });
  const abort = new AbortController();
  const { descriptor, open, bytes } = blobOf(17 * MIB);
  const { repository } = connect(t, registry.host, { hints });
  await assert.rejects(repository.push(descriptor, open, { signal: abort.signal }), /enough/);
  assert.equal(registry.count('DELETE upload'), 0);
  registry.sessions.clear();
  const later = connect(t, registry.host, { hints });
  await later.repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
});

test('a session at another origin, or with a signed query, is not remembered', async (t) => {
  const hints = await remember(t);
  const written: string[] = [];
  const watched: Hints = {
    ...hints,
    set: (table, key, value) => {
      if (table === 'upload-sessions') written.push(JSON.stringify(value));
      hints.set(table, key, value);
    },
  };
  const store = await serve(t, async (request, response) => {
    request.resume().on('end', () => response.writeHead(201).end());
  });
  for (const location of [
    `http://${store}/v2/team/app/blobs/uploads/x`,
    '/v2/team/app/blobs/uploads/x?X-Amz-Signature=abc',
  ]) {
    const registry = await startFakeRegistry(t, (call) => {
      if (call.what !== 'POST upload') return false;
      call.registry.sessions.set('x', Buffer.alloc(0));
      call.answer(202, { location });
      return true;
    });
    const { repository } = connect(t, registry.host, { hints: watched });
    const { descriptor, open } = blobOf(17 * MIB);
    await repository.push(descriptor, open);
  }
  assert.deepEqual(written, []);
});

test('a blob that was said to be there and is not can be forced', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    if (call.what !== 'HEAD blob') return false;
    call.answer(200, { 'content-length': '100' });
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(100);
  assert.equal((await repository.push(descriptor, open)).status, 'present');
  assert.equal((await repository.push(descriptor, open, { force: true })).status, 'uploaded');
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
});

for (const code of ['NAME_UNKNOWN', 'NAME_INVALID']) {
  test(`404 ${code} in the middle of an upload is final at once`, async (t) => {
    const registry = await startFakeRegistry(t, async (call) => {
      if (call.what !== 'PUT upload') return false;
      await call.body();
      call.answer(404, {}, errors(code));
      return true;
    });
    const { repository } = connect(t, registry.host, { retry: {} });
    const { descriptor, open } = blobOf(100);
    await assert.rejects(repository.push(descriptor, open));
    assert.equal(registry.count('PUT upload'), 1);
  });
}

test('connections that are cut again and again go on where the registry says', async (t) => {
  const registry = await startRegistry();
  atEnd(t, () => registry.close());
  const { descriptor, open, bytes } = blobOf(20 * MIB);
  const proxy = await startCuttingProxy(t, registry.host, { cuts: 6, afterBytes: 3 * MIB });
  const { repository, events } = connect(t, proxy.host, { debug: true });
  await repository.push(descriptor, open);
  assert.deepEqual(await readAll(repository.fetch(descriptor)), bytes);
  assert.equal(proxy.cuts, 0);
  let told: string | undefined;
  let bodies = 0;
  for (const event of events) {
    if (event.type === 'http.response') {
      const { status, headers } = event;
      // How much was under way at a cut, and arrived, is up to the machine; where to go on is not.
      if (status === 202 || status === 204) told = /^0-([1-9]\d*)$/.exec(headers.range ?? '')?.[1];
    } else if (event.type === 'http.request' && /^P(?:UT|ATCH)$/.test(event.method)) {
      bodies++;
      const start = /^(\d+)-/.exec(event.headers['content-range'] ?? '')?.[1];
      if (start === undefined) assert.equal(told, undefined);
      else assert.equal(Number(start), Number(told) + 1);
    }
  }
  assert.ok(bodies > 6, `${bodies} bodies`);
});

test('a registry that does not answer HEAD is asked once, also by later runs', async (t) => {
  const hints = await remember(t);
  const registry = await startFakeRegistry(t, (call) => {
    if (call.what !== 'HEAD blob') return false;
    call.answer(405);
    return true;
  });
  for (const fill of ['a', 'b', 'c']) {
    const { repository } = connect(t, registry.host, { hints });
    const { descriptor, open } = blobOf(100, fill);
    await repository.push(descriptor, open);
  }
  assert.equal(registry.count('HEAD blob'), 1);
  assert.equal(registry.blobs.size, 3);
});

test('large blobs are sent four at once, and fewer to a registry that refuses', async (t) => {
  let under = 0;
  let most = 0;
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload') return false;
    most = Math.max(most, ++under);
    await call.body();
    await new Promise((resolve) => setTimeout(resolve, 20));
    under--;
    if (call.nth === 1) {
      call.answer(429);
      return true;
    }
    return false;
  });
  const { repository } = connect(t, registry.host);
  const blobs = Array.from({ length: 8 }, (_, index) => blobOf(2 * MIB, String(index)));
  await Promise.all(blobs.map(({ descriptor, open }) => repository.push(descriptor, open)));
  assert.equal(registry.blobs.size, 8);
  assert.equal(most, 4);
});

test('no more blobs are sent at once than --jobs says', async (t) => {
  let under = 0;
  let most = 0;
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload') return false;
    most = Math.max(most, ++under);
    await call.body();
    await new Promise((resolve) => setTimeout(resolve, 5));
    under--;
    return false;
  });
  const { repository } = connect(t, registry.host, { jobs: 2 });
  const blobs = Array.from({ length: 8 }, (_, index) => blobOf(2 * MIB, String(index)));
  await Promise.all(blobs.map(({ descriptor, open }) => repository.push(descriptor, open)));
  assert.equal(most, 2);
});
