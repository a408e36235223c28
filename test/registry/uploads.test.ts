import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { SlipwayError } from '../../src/errors.ts';
import { assertPrompt } from '../rig/promptly.ts';
import { reset } from '../rig/reset.ts';
import { blobOf, connect, QUICK } from './clients.ts';
import { type Call, errors, type Quirk, startFakeRegistry } from './fake-registry.ts';

/** Pushes a blob to a registry with a quirk; it must be there whole afterwards. */
async function pushes(
  t: TestContext,
  quirk: Quirk,
  options: { sizeBytes?: number; mountFrom?: string[] } = {},
) {
  const registry = await startFakeRegistry(t, quirk);
  const client = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(options.sizeBytes ?? 300_000);
  const { mountFrom } = options;
  const outcome = await client.repository.push(descriptor, open, { mountFrom });
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  return { outcome, registry, client, descriptor };
}

test('a blob is looked for, and sent once', async (t) => {
  const { outcome, registry } = await pushes(t, () => false);
  assert.deepEqual(outcome, { status: 'uploaded', bytesSent: 300_000 });
  assert.deepEqual(
    registry.seen.map(({ what }) => what),
    ['HEAD blob', 'POST upload', 'PUT upload'],
  );
});

test('a blob that is there is not sent', async (t) => {
  const registry = await startFakeRegistry(t);
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = blobOf(100);
  registry.blobs.set(descriptor.digest, bytes);
  assert.deepEqual(await repository.push(descriptor, open), { status: 'present', bytesSent: 0 });
  assert.equal(registry.seen.length, 1);
});

test('an empty blob is pushed', async (t) => {
  await pushes(t, () => false, { sizeBytes: 0 });
});

const on =
  (what: string, act: (call: Call) => void | Promise<void>): Quirk =>
  async (call) => {
    if (call.what !== what) return false;
    await act(call);
    return true;
  };

/** Lets the registry do its work and changes what it says. */
const restated =
  (
    what: string,
    restate: (status: number, headers: Record<string, string>) => [number, Record<string, string>],
  ): Quirk =>
  async (call) => {
    if (call.what !== what) return false;
    await call.serve((status, headers = {}) => call.answer(...restate(status, headers)));
    return true;
  };

for (const status of [405, 501, 403, 412]) {
  test(`a registry that answers ${status} to HEAD gets the blob`, async (t) => {
    await pushes(
      t,
      on('HEAD blob', ({ answer }) => answer(status)),
    );
  });
}

test('HEAD without Content-Length still says that the blob is there', async (t) => {
  const registry = await startFakeRegistry(
    t,
    on('HEAD blob', ({ response }) => {
      response.writeHead(200, { 'transfer-encoding': 'chunked' }).end();
    }),
  );
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = blobOf(100);
  assert.equal((await repository.push(descriptor, open)).status, 'present');
});

test('a blob that the registry has cut short is sent again', async (t) => {
  await pushes(t, (call) => {
    if (call.what !== 'HEAD blob' || call.nth > 1) return false;
    call.answer(200, { 'content-length': '5' });
    return true;
  });
});

const LOCATIONS: Readonly<Record<string, (call: Call, path: string) => string>> = {
  absolute: ({ url }, path) => `http://${url.host}${path}`,
  'scheme-less': ({ url }, path) => `//${url.host}${path}`,
  'beginning with the host': ({ url }, path) => `${url.host}${path}`,
  'relative to the request': (_call, path) => path.replace('/v2/team/app/blobs/uploads/', ''),
  'with a fragment': (_call, path) => `${path}#part`,
};

for (const [kind, location] of Object.entries(LOCATIONS)) {
  test(`a Location that is ${kind} is followed, its query kept byte for byte`, async (t) => {
    const { registry } = await pushes(t, async (call) => {
      if (call.what !== 'POST upload') return false;
      registrySession(call, location);
      return true;
    });
    const put = registry.seen.find(({ what }) => what === 'PUT upload');
    assert.match(
      put?.path ?? '',
      /\?a=b%2Fc&x=%7e\+~&_state=Q%3D%3D&digest=sha256%3A[0-9a-f]{64}$/,
    );
  });
}

/** Opens a session by hand, so that the test can say where it is. */
function registrySession(call: Call, location: (call: Call, path: string) => string): void {
  call.registry.sessions.set('by-hand', Buffer.alloc(0));
  const path = '/v2/team/app/blobs/uploads/by-hand?a=b%2Fc&x=%7e+~&_state=Q%3D%3D';
  call.answer(202, { location: location(call, path) });
}

test('a session without Location is found by its id', async (t) => {
  const { registry } = await pushes(t, async (call) => {
    if (call.what !== 'POST upload') return false;
    call.registry.sessions.set('an-id', Buffer.alloc(0));
    call.answer(202, { 'docker-upload-uuid': 'an-id' });
    return true;
  });
  const put = registry.seen.find(({ what }) => what === 'PUT upload');
  assert.match(put?.path ?? '', /^\/v2\/team\/app\/blobs\/uploads\/an-id\?digest=/);
});

for (const status of [200, 202, 204]) {
  test(`a commit that is answered with ${status} is believed when the blob is there`, async (t) => {
    const { registry } = await pushes(
      t,
      restated('PUT upload', (_status, headers) => [status, headers]),
    );
    assert.equal(registry.count('PUT upload'), 1);
    assert.equal(registry.count('HEAD blob'), 2);
  });
}

test('a commit that is answered with 200 is believed where HEAD is not answered', async (t) => {
  const odd = restated('PUT upload', (_status, headers) => [200, headers]);
  const { registry } = await pushes(t, async (call) => {
    if (call.what !== 'HEAD blob') return await odd(call);
    call.answer(405);
    return true;
  });
  assert.equal(registry.count('PUT upload'), 1);
});

test('a commit that names no digest is believed', async (t) => {
  const { registry } = await pushes(
    t,
    restated('PUT upload', (status) => [status, {}]),
  );
  assert.equal(registry.count('HEAD blob'), 1);
});

test('a commit that names another digest is checked, and told', async (t) => {
  const wrong = { 'docker-content-digest': `sha256:${'0'.repeat(64)}` };
  const { registry, client } = await pushes(
    t,
    restated('PUT upload', (status) => [status, wrong]),
  );
  assert.equal(registry.count('HEAD blob'), 2);
  assert.match(
    client.events.map((event) => ('message' in event ? event.message : '')).join(),
    /another digest/,
  );
});

test('a registry that takes a blob and has not got it is asked again, then not believed', async (t) => {
  const { registry } = await pushes(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 2) return false;
    await call.body();
    call.answer(202);
    return true;
  });
  assert.equal(registry.count('PUT upload'), 3);
  const liar = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload') return false;
    await call.body();
    call.answer(202);
    return true;
  });
  const { repository } = connect(t, liar.host);
  const { descriptor, open } = blobOf(100);
  await assert.rejects(repository.push(descriptor, open), {
    code: 'NOT_A_REGISTRY',
    message: /does not have it/,
  });
});

test('a session that is lost is opened anew', async (t) => {
  const { registry } = await pushes(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 1) return false;
    await call.body();
    call.answer(404, {}, errors('BLOB_UPLOAD_UNKNOWN'));
    return true;
  });
  assert.equal(registry.count('POST upload'), 2);
});

for (const [status, code] of [
  [400, 'BLOB_UPLOAD_INVALID'],
  [416, 'RANGE_INVALID'],
] as const) {
  test(`an upload that is answered with ${status} ${code} is begun anew`, async (t) => {
    await pushes(t, async (call) => {
      if (call.what !== 'PUT upload' || call.nth > 1) return false;
      await call.body();
      call.answer(status, {}, errors(code));
      return true;
    });
  });
}

test('a blob whose commit was not answered is found, not sent again', async (t) => {
  const { registry, outcome } = await pushes(t, async (call) => {
    if (call.what !== 'PUT upload') return false;
    await call.serve(() => void call.response.destroy());
    return true;
  });
  assert.equal(registry.count('PUT upload'), 1);
  assert.equal(outcome.status, 'uploaded');
});

for (const times of [1, 3, 6]) {
  test(`a connection that is reset in the middle of a blob, ${times} times`, async (t) => {
    const { registry, outcome } = await pushes(
      t,
      (call) => {
        if (call.what !== 'PUT upload' || call.nth > times) return false;
        call.request.once('data', () => reset(call.request.socket));
        return true;
      },
      { sizeBytes: 3_000_000 },
    );
    assert.equal(registry.count('PUT upload'), times + 1);
    assert.equal(registry.count('POST upload'), times + 1);
    assert.ok(outcome.bytesSent >= 3_000_000);
  });
}

for (const [what, status] of [
  ['HEAD blob', 503],
  ['POST upload', 500],
  ['POST upload', 429],
  ['PUT upload', 502],
  ['PUT upload', 503],
  ['PUT upload', 504],
  ['PUT upload', 429],
] as const) {
  test(`${status} to ${what}, twice, is waited out`, async (t) => {
    await pushes(t, async (call) => {
      if (call.what !== what || call.nth > 2) return false;
      await call.body();
      call.answer(status, { 'content-type': 'text/html' });
      return true;
    });
  });
}

for (const [form, header] of [
  ['seconds', () => '1'],
  // A date has no parts of a second.
  ['a date', () => new Date(Date.now() + 2_000).toUTCString()],
] as const) {
  for (const what of ['POST upload', 'PUT upload']) {
    test(`Retry-After as ${form} is obeyed on ${what}`, async (t) => {
      let refusedAt = 0;
      let cameAgainAt = 0;
      await pushes(t, async (call) => {
        if (call.what !== what) return false;
        await call.body();
        if (call.nth > 1) {
          cameAgainAt ||= performance.now();
          return false;
        }
        refusedAt = performance.now();
        call.answer(429, { 'retry-after': header() });
        return true;
      });
      assert.ok(cameAgainAt - refusedAt >= 950, `it came after ${cameAgainAt - refusedAt} ms`);
    });
  }
}

test('all requests to a host wait when it asks for that', async (t) => {
  const times: number[] = [];
  const registry = await startFakeRegistry(t, (call) => {
    times.push(performance.now());
    if (times.length > 1) return false;
    call.answer(503, { 'retry-after': '1' });
    return true;
  });
  const { repository } = connect(t, registry.host);
  const first = blobOf(100, 'a');
  const second = blobOf(100, 'b');
  const work = repository.push(first.descriptor, first.open);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await Promise.all([work, repository.push(second.descriptor, second.open)]);
  const [refusedAt = 0, ...later] = times;
  for (const at of later) assert.ok(at - refusedAt >= 950);
});

test('uploads that never succeed end after their attempts, which do not multiply', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what === 'HEAD blob' && call.nth === 1) return false;
    await call.body();
    if (call.what === 'PUT upload') call.answer(503);
    else if (call.what === 'HEAD blob') call.answer(500);
    else return false;
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = blobOf(100);
  await assert.rejects(repository.push(descriptor, open), { code: 'SERVER_ERROR' });
  assert.equal(registry.count('PUT upload'), 1);
  assert.equal(registry.count('HEAD blob'), 9);
});

for (const status of [400, 401, 403, 404, 405, 500]) {
  test(`a mount that is refused with ${status} is followed by an upload`, async (t) => {
    const { outcome, registry } = await pushes(
      t,
      (call) => {
        if (!call.url.searchParams.has('mount')) return false;
        call.answer(status, {}, errors('DENIED'));
        return true;
      },
      { mountFrom: ['other/app'] },
    );
    assert.equal(outcome.status, 'uploaded');
    assert.equal(registry.count('POST upload'), 2);
  });
}

test('a mount that is cut off is followed by an upload', async (t) => {
  await pushes(
    t,
    (call) => {
      if (!call.url.searchParams.has('mount')) return false;
      call.response.destroy();
      return true;
    },
    { mountFrom: ['other/app'] },
  );
});

test('a mount that is not granted gives the session for the upload', async (t) => {
  const { registry } = await pushes(t, () => false, { mountFrom: ['other/app'] });
  assert.equal(registry.count('POST upload'), 1);
});

test('a mount that is granted moves no bytes', async (t) => {
  const { descriptor, open, bytes } = blobOf(100);
  const registry = await startFakeRegistry(t, (call) => {
    if (call.what !== 'HEAD blob') return false;
    call.answer(404);
    return true;
  });
  registry.blobs.set(descriptor.digest, bytes);
  const { repository } = connect(t, registry.host);
  const outcome = await repository.push(descriptor, open, { mountFrom: ['other/app'] });
  assert.deepEqual(outcome, { status: 'mounted', bytesSent: 0, from: 'other/app' });
  const post = registry.seen.find(({ what }) => what === 'POST upload');
  const query = new URLSearchParams({ mount: descriptor.digest, from: 'other/app' });
  assert.equal(post?.path, `/v2/team/app/blobs/uploads/?${query}`);
});

for (const [what, spoil] of [
  ['another byte', (bytes: Buffer) => (bytes[250_000] = 0)],
  ['one byte too few', (bytes: Buffer) => bytes.subarray(1)],
  ['one byte too many', (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(1)])],
] as const) {
  test(`a source with ${what} is noticed, and the session ended`, async (t) => {
    const registry = await startFakeRegistry(t);
    const { repository } = connect(t, registry.host);
    const { descriptor, bytes } = blobOf(300_000);
    const changed = spoil(bytes);
    const spoiled = typeof changed === 'number' ? bytes : changed;
    const open = async function* () {
      for (let at = 0; at < spoiled.byteLength; at += 65_536)
        yield spoiled.subarray(at, at + 65_536);
    };
    await assert.rejects(repository.push(descriptor, open), (error) => {
      assert.ok(error instanceof SlipwayError);
      assert.match(error.code, /^(?:DIGEST|SIZE)_MISMATCH$/);
      assert.equal(error.facts.side, 'source');
      return true;
    });
    assert.equal(registry.count('PUT upload'), 1);
    assert.equal(registry.count('DELETE upload'), 1);
    assert.equal(registry.blobs.size, 0);
  });
}

test('a source that fails is to blame, not the registry', async (t) => {
  const registry = await startFakeRegistry(t);
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = blobOf(300_000);
  const failing = async function* (offset: number) {
    for await (const chunk of open(offset)) {
      yield chunk;
      throw new SlipwayError('FILE_NOT_FOUND', 'the file went away');
    }
  };
  await assert.rejects(repository.push(descriptor, failing), (error) => {
    assert.ok(error instanceof SlipwayError);
    assert.deepEqual([error.code, error.facts.side], ['FILE_NOT_FOUND', 'source']);
    return true;
  });
  assert.equal(registry.count('DELETE upload'), 1);
});

test('an abort ends an upload with its own reason, and the session', async (t) => {
  const abort = new AbortController();
  const reason = new Error('enough');
  const registry = await startFakeRegistry(t, (call) => {
    if (call.what !== 'PUT upload') return false;
    call.request.once('data', () => abort.abort(reason));
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = blobOf(3_000_000);
  await assert.rejects(repository.push(descriptor, open, { signal: abort.signal }), reason);
  assert.equal(registry.count('DELETE upload'), 1);
});

test('progress goes back when an upload starts over', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT upload' || call.nth > 1) return false;
    await call.body();
    call.answer(500);
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = blobOf(200_000);
  const told: number[] = [];
  await repository.push(descriptor, open, { onProgress: (bytes) => told.push(bytes) });
  assert.deepEqual(told, [65_536, 131_072, 196_608, 200_000, 65_536, 131_072, 196_608, 200_000]);
});

test('a registry that is not there is given up within seconds', async (t) => {
  const { repository } = connect(t, '127.0.0.1:9', { retry: {} });
  const { descriptor, open } = blobOf(100);
  const startedAt = performance.now();
  await assert.rejects(repository.push(descriptor, open), (error) => {
    assert.ok(error instanceof SlipwayError);
    assert.deepEqual([error.code, error.facts.side], ['NETWORK', 'destination']);
    assert.match(error.message, /refused the connection.*tried [2-4] times/);
    return true;
  });
  await assertPrompt(performance.now() - startedAt, 6_000);
});

test('a registry that comes back in the middle of a push is waited for', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    if (call.nth > 5 || call.what === 'HEAD blob') return false;
    reset(call.request.socket);
    return true;
  });
  const { repository } = connect(t, registry.host, { retry: QUICK });
  const { descriptor, open } = blobOf(100);
  assert.equal((await repository.push(descriptor, open)).status, 'uploaded');
});

test('connections that are closed under us between requests cost no push', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    const { socket } = call.request;
    call.response.on('finish', () => setTimeout(() => socket.destroy(), call.nth % 5));
    return false;
  });
  const { repository } = connect(t, registry.host);
  const blobs = Array.from({ length: 60 }, (_, index) => blobOf(20_000, `${index} `));
  await Promise.all(blobs.map(({ descriptor, open }) => repository.push(descriptor, open)));
  assert.equal(registry.blobs.size, 60);
});
