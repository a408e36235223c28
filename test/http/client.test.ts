import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { SlipwayError } from '../../src/errors.ts';
import { createHttp, type HttpOptions } from '../../src/http/client.ts';
import { run } from '../rig/programs.ts';
import { serve, serveRaw } from './servers.ts';

function client(t: TestContext, options: HttpOptions = {}) {
  const http = createHttp(options);
  t.after(() => http.close());
  return http;
}

async function* chunks(count: number, chunkBytes = 256 * 1024, waitMs = 0) {
  for (let index = 0; index < count; index++) {
    if (waitMs > 0) await delay(waitMs);
    yield Buffer.alloc(chunkBytes, index);
  }
}

const silent = (error: unknown): true => {
  assert.ok(error instanceof SlipwayError, String(error));
  assert.equal(error.code, 'NETWORK');
  assert.match(error.message, /stopped answering/);
  assert.equal(error.facts.transient, true);
  return true;
};

async function within(ms: number, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  await work();
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs < ms, `took ${tookMs} ms`);
}

// undici's own clock has a resolution of about a second.
const IDLE = { idleTimeoutMs: 300 };

test('a server that never answers is given up', async (t) => {
  const host = await serveRaw(t, () => {});
  const url = new URL(`http://${host}/`);
  await within(3_000, () => assert.rejects(client(t, IDLE).send({ method: 'GET', url }), silent));
});

test('a server that stops in the middle of its answer is given up', async (t) => {
  const host = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '10' });
    response.write('five.');
  });
  const response = await client(t, IDLE).send({ method: 'GET', url: new URL(`http://${host}/`) });
  await within(3_000, () => assert.rejects(response.read(100), silent));
});

test('a server that stops taking the body is given up', async (t) => {
  const host = await serve(t, (request) => request.pause());
  const url = new URL(`http://${host}/`);
  await within(3_000, () =>
    assert.rejects(
      client(t, IDLE).send({ method: 'PUT', url, body: chunks(400), bodyBytes: 400 * 256 * 1024 }),
      silent,
    ),
  );
});

test('a server that says nothing to a complete body is given up', async (t) => {
  const host = await serve(t, (request) => request.resume());
  const url = new URL(`http://${host}/`);
  await within(3_000, () =>
    assert.rejects(
      client(t, IDLE).send({ method: 'PUT', url, body: chunks(1), bodyBytes: 256 * 1024 }),
      silent,
    ),
  );
});

test('a source that is slow is no stall of the server', async (t) => {
  const host = await serve(t, async (request, response) => {
    let sizeBytes = 0;
    for await (const chunk of request) sizeBytes += chunk.length;
    response.end(String(sizeBytes));
  });
  const response = await client(t, { idleTimeoutMs: 60 }).send({
    method: 'PATCH',
    url: new URL(`http://${host}/`),
    body: chunks(4, 100_000, 150),
  });
  assert.equal((await response.read(100)).toString(), '400000');
});

test('an answer that drips is cut off after a time', async (t) => {
  const host = await serve(t, (_request, response) => {
    const timer = setInterval(() => response.write('x'), 10);
    response.on('close', () => clearInterval(timer));
  });
  const response = await client(t).send({ method: 'GET', url: new URL(`http://${host}/`) });
  await within(2_000, () => assert.rejects(response.read(1_000_000, 200), silent));
});

test('an answer is read up to its cap and not one byte further', async (t) => {
  const host = await serve(t, (request, response) =>
    response.end('x'.repeat(Number(request.url?.slice(1)))),
  );
  const read = async (size: number) => {
    const response = await client(t).send({
      method: 'GET',
      url: new URL(`http://${host}/${size}`),
    });
    return await response.read(1_000);
  };
  assert.equal((await read(1_000)).byteLength, 1_000);
  await assert.rejects(read(1_001), { code: 'LIMIT_EXCEEDED' });
});

for (const [what, end] of [
  ['goes on reading', (response: { resume(): void }) => response.resume()],
  ['stops reading', (response: { pause(): void }) => response.pause()],
] as const) {
  test(`an answer that comes before the body was sent is heard where the server ${what}`, async (t) => {
    for (const [status, size] of [
      [413, 1],
      [401, 300],
    ] as const) {
      const host = await serve(t, (request, response) => {
        end(request as never);
        response.writeHead(status).end('early');
      });
      const response = await client(t).send({
        method: 'PUT',
        url: new URL(`http://${host}/`),
        body: chunks(size),
        bodyBytes: size * 256 * 1024,
      });
      assert.equal(response.status, status);
      assert.equal((await response.read(100)).toString(), 'early');
    }
  });
}

test('an early answer is heard although the server hangs up after it', async (t) => {
  const host = await serve(t, (request, response) => {
    response.writeHead(413, { connection: 'close' });
    response.end('too large', () => request.socket.destroy());
  });
  const response = await client(t).send({
    method: 'PUT',
    url: new URL(`http://${host}/`),
    body: chunks(300),
    bodyBytes: 300 * 256 * 1024,
  });
  assert.equal(response.status, 413);
  assert.equal((await response.read(100)).toString(), 'too large');
});

test('a failure of the body is what the caller hears, and the server never gets a whole body', async (t) => {
  let outcome = '';
  const host = await serve(t, (request) => {
    request.resume();
    request.on('end', () => (outcome = 'whole'));
    request.on('error', () => (outcome = 'cut'));
  });
  const failure = new Error('damaged');
  async function* body() {
    yield* chunks(2);
    throw failure;
  }
  const url = new URL(`http://${host}/`);
  const request = { method: 'PUT', url, body: body(), bodyBytes: 3 * 256 * 1024 };
  await assert.rejects(client(t).send(request), failure);
  for (let round = 0; outcome === '' && round < 100; round++) await delay(10);
  assert.equal(outcome, 'cut');
});

test('an abort ends a request with its own reason, and the source is closed', async (t) => {
  const host = await serve(t, (request) => request.pause());
  const abort = new AbortController();
  const reason = new Error('enough');
  let isClosed = false;
  async function* body() {
    try {
      yield* chunks(1_000);
    } finally {
      isClosed = true;
    }
  }
  setTimeout(() => abort.abort(reason), 30);
  await assert.rejects(
    client(t).send({
      method: 'PUT',
      url: new URL(`http://${host}/`),
      body: body(),
      signal: abort.signal,
    }),
    reason,
  );
  for (let round = 0; !isClosed && round < 100; round++) await delay(10);
  assert.ok(isClosed);
});

test('no compressed answer is asked for, and nothing but the given headers is sent', async (t) => {
  const host = await serve(t, (request, response) => response.end(request.rawHeaders.join('\n')));
  const response = await client(t).send({
    method: 'GET',
    url: new URL(`http://${host}/`),
    headers: { accept: 'x/y' },
  });
  const raw = (await response.read(1_000)).toString().toLowerCase();
  assert.match(raw, /accept-encoding\nidentity/);
  assert.doesNotMatch(raw, /cookie|authorization/);
});

test('cookies are neither kept nor sent', async (t) => {
  const cookies: unknown[] = [];
  const host = await serve(t, (request, response) => {
    cookies.push(request.headers.cookie);
    response.setHeader('set-cookie', 'session=secret').end();
  });
  const http = client(t);
  for (let round = 0; round < 2; round++) {
    await (await http.send({ method: 'GET', url: new URL(`http://${host}/`) })).drop();
  }
  assert.deepEqual(cookies, [undefined, undefined]);
});

test('an answer that nobody wants does not hold its connection, however long it is', async (t) => {
  let open = 0;
  const host = await serve(t, (request, response) => {
    if (request.url === '/count') return void response.end(String(open));
    open++;
    response.on('close', () => open--);
    const more = () => response.writable && response.write(Buffer.alloc(65_536), more);
    more();
  });
  const http = client(t);
  for (let round = 0; round < 40; round++) {
    await (await http.send({ method: 'GET', url: new URL(`http://${host}/`) })).drop();
  }
  const count = await http.send({ method: 'GET', url: new URL(`http://${host}/count`) });
  assert.ok(Number(await count.read(100)) <= 2);
});

test('idle connections do not keep a process alive', async (t) => {
  const host = await serve(t, (_request, response) => response.end('x'));
  const source = new URL('../../src/http/client.ts', import.meta.url).href;
  const program = `
    const { createHttp } = await import(${JSON.stringify(source)});
    const response = await createHttp().send({ method: 'GET', url: new URL('http://${host}/') });
    await response.read(10);
    process.stdout.write('read');
  `;
  await within(10_000, async () => {
    const result = await run(process.execPath, ['--input-type=module', '-e', program]);
    assert.deepEqual([result.code, result.stdout], [0, 'read'], result.stderr);
  });
});
