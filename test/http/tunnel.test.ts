import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ErrorCode, SlipwayError } from '../../src/errors.ts';
import { createHttp, type Http } from '../../src/http/client.ts';
import type { Route } from '../../src/http/route.ts';
import { probeScheme } from '../../src/http/scheme.ts';
import { missing } from '../rig/programs.ts';
import { startProxy } from '../rig/proxy.ts';
import { makeCertificate, serveTls } from './certificates.ts';
import { closedPort, serve, serveRaw } from './servers.ts';

const NAME = 'registry.invalid';
const OPENSSL = { skip: missing('openssl') };

function client(t: TestContext, route: Route): Http {
  const http = createHttp({ route: () => route });
  t.after(() => http.close());
  return http;
}

async function get(http: Http, url: string): Promise<string> {
  const response = await http.send({ method: 'GET', url: new URL(url) });
  return `${response.status} ${await response.read(1000)}`;
}

async function fails(
  work: Promise<unknown>,
  code: ErrorCode,
  message: RegExp,
): Promise<SlipwayError> {
  const error = await work.then(
    () => assert.fail('it did not fail'),
    (thrown) => thrown,
  );
  assert.ok(error instanceof SlipwayError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  assert.doesNotMatch(`${error.message} ${error.hint}`, /geheim/);
  return error;
}

test('https goes through a tunnel, in which the proxy sees no request', OPENSSL, async (t) => {
  const pair = await makeCertificate(t, { name: `DNS:${NAME}` });
  const seen: string[] = [];
  const host = await serveTls(t, pair, (request, response) => {
    seen.push(JSON.stringify(request.headers));
    request.resume().on('end', () => response.end('from the registry'));
  });
  const ways = { [`${NAME}:443`]: host };
  for (const own of [undefined, await makeCertificate(t)]) {
    const proxy = await startProxy(t, { login: 'me:ge:heim ü', ways, ...(own && { tls: own }) });
    const url = new URL(proxy.url);
    url.username = 'me';
    url.password = 'ge:heim ü';
    const http = createHttp({ route: () => ({ proxy: url, tls: { ca: pair.cert } }) });
    t.after(() => http.close());
    if (own) {
      await fails(get(http, `https://${NAME}/`), 'TLS', /^the proxy 127.* self-signed/);
      assert.equal(proxy.requests.length, 0);
      continue;
    }
    assert.equal(await get(http, `https://${NAME}/v2/`), '200 from the registry');
    async function* body() {
      for (let i = 0; i < 20; i++) yield Buffer.alloc(100_000);
    }
    const put = { method: 'PUT', url: new URL(`https://${NAME}/v2/`), body: body() };
    assert.equal((await http.send({ ...put, bodyBytes: 2_000_000 })).status, 200);
    assert.ok(proxy.requests.every(({ method }) => method === 'CONNECT'));
    assert.ok(proxy.requests.every(({ target }) => target === `${NAME}:443`));
  }
  assert.equal(seen.length, 2);
  assert.ok(
    seen.every((headers) => !/proxy/i.test(headers)),
    'the registry saw the proxy login',
  );
});

test('plain http names its whole URL to the proxy', async (t) => {
  const host = await serve(t, (request, response) =>
    response.end(
      `${request.url} ${request.headers.host} ${request.headers['proxy-authorization']}`,
    ),
  );
  const ways = { [`${NAME}:5000`]: host };
  const proxy = await startProxy(t, { login: 'me:geheim', ways });
  const url = new URL(proxy.url.replace('//', '//me:geheim@'));
  const http = client(t, { proxy: url });
  assert.equal(
    await get(http, `http://${NAME}:5000/v2/?n=1`),
    `200 /v2/?n=1 ${NAME}:5000 undefined`,
  );
  assert.equal(proxy.requests[0]?.target, `http://${NAME}:5000/v2/?n=1`);
});

test('what a proxy refuses is told as its refusal, without its password', async (t) => {
  for (const [refuses, transient, message] of [
    [
      407,
      false,
      /^the proxy 127\.0\.0\.1:[0-9]+ refuses the login, on the way to registry\.invalid/,
    ],
    [403, false, /does not let us through \(it answered 403\)/],
    [502, true, /does not let us through \(it answered 502\)/],
    [503, true, /does not let us through \(it answered 503\)/],
  ] as const) {
    const proxy = await startProxy(t, { refuses });
    const http = client(t, { proxy: new URL(proxy.url.replace('//', '//me:geheim@')) });
    const error = await fails(get(http, `https://${NAME}/`), 'NETWORK', message);
    assert.equal(error.facts.transient, transient);
  }
  const proxy = await startProxy(t, { login: 'me:geheim' });
  const http = client(t, { proxy: new URL(proxy.url) });
  await fails(get(http, `https://${NAME}/`), 'NETWORK', /wants a login/);
  await fails(get(http, `http://${NAME}/`), 'NETWORK', /wants a login/);
});

test('a proxy that is not there, hangs up or says nothing is told as the proxy', async (t) => {
  const cases = [
    [`127.0.0.1:${await closedPort()}`, /refused the connection/],
    [await serveRaw(t, (socket) => socket.once('data', () => socket.destroy())), /cut/],
    [
      await serveRaw(t, (socket) => socket.once('data', () => socket.end('boo\r\n\r\n'))),
      /HTTP|proxy/,
    ],
    [await serveRaw(t, () => {}), /did not answer the connection in time/],
  ] as const;
  for (const [at, [host, message]] of cases.entries()) {
    const proxy = new URL(`http://me:geheim@${host}`);
    // Only the last one is to run out of time.
    const connectTimeoutMs = at === cases.length - 1 ? 500 : 60_000;
    const http = client(t, { proxy, connectTimeoutMs });
    const error = await fails(get(http, `https://${NAME}/`), 'NETWORK', message);
    assert.match(error.message, new RegExp(`^the proxy ${host}, on the way to ${NAME}`));
  }
  const http = client(t, { proxy: new URL(`http://127.0.0.1:${await closedPort()}`) });
  await fails(get(http, `http://${NAME}/`), 'NETWORK', /^the proxy 127.* refused the connection/);
});

test('a proxy that ends TLS with its own certificate is refused', OPENSSL, async (t) => {
  const intercepts = await makeCertificate(t, { name: `DNS:${NAME}` });
  const proxy = await startProxy(t, { intercepts, ways: { [`${NAME}:443`]: 'nobody:1' } });
  const http = client(t, { proxy: new URL(proxy.url) });
  await fails(
    get(http, `https://${NAME}/`),
    'TLS',
    /certificate of registry\.invalid isn't trusted/,
  );
  assert.deepEqual(proxy.seenInside, []);
  const trusting = client(t, { proxy: new URL(proxy.url), tls: { ca: intercepts.cert } });
  assert.equal(await get(trusting, `https://${NAME}/`), '200 ');
  assert.deepEqual(proxy.seenInside, ['GET /']);
});

test('bytes that a proxy sends before the tunnel is open never count as the registry', async (t) => {
  const host = await serveRaw(t, (socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n')),
  );
  const http = client(t, { proxy: new URL(`http://${host}`) });
  await fails(get(http, `https://${NAME}/`), 'NETWORK', /does not answer as a proxy does/);
});

test('answers of two origins behind one proxy do not cross', OPENSSL, async (t) => {
  const names = ['one.invalid', 'two.invalid'];
  const ways: Record<string, string> = {};
  const authorities: Record<string, string> = {};
  for (const name of names) {
    const pair = await makeCertificate(t, { name: `DNS:${name}` });
    const say = (_: unknown, response: { end(text: string): void }) => response.end(name);
    ways[`${name}:443`] = await serveTls(t, pair, say);
    ways[`${name}:80`] = await serve(t, say);
    authorities[name] = pair.cert;
  }
  const proxy = await startProxy(t, { ways });
  const http = createHttp({
    route: ({ hostname }) => ({
      proxy: new URL(proxy.url),
      tls: { ca: authorities[hostname] ?? '' },
    }),
  });
  t.after(() => http.close());
  const asked = Array.from({ length: 40 }, (_, at) => ({
    name: names[at % 2] ?? '',
    scheme: at % 4 < 2 ? 'https' : 'http',
  }));
  const answers = await Promise.all(
    asked.map(({ name, scheme }) => get(http, `${scheme}://${name}/`)),
  );
  assert.deepEqual(
    answers,
    asked.map(({ name }) => `200 ${name}`),
  );
});

test('the scheme of a host is found out through the proxy too', async (t) => {
  const plain = await serve(t, (_request, response) => response.end());
  const proxy = await startProxy(t, { ways: { [`${NAME}:5000`]: plain } });
  const route = () => ({ proxy: new URL(proxy.url) });
  assert.equal(await probeScheme(`${NAME}:5000`, { route }), 'http');
  await fails(probeScheme('other.invalid', { route }), 'NETWORK', /answered 403/);
});

test('a client certificate is never shown to a proxy', OPENSSL, async (t) => {
  const pair = await makeCertificate(t, { name: `DNS:${NAME}` });
  const shown: string[] = [];
  const host = await serveTls(
    t,
    pair,
    (request, response) => {
      shown.push(String((request.socket as unknown as { authorized?: boolean }).authorized));
      response.end();
    },
    { requestCert: true, ca: pair.cert },
  );
  const own = await makeCertificate(t);
  const proxy = await startProxy(t, { ways: { [`${NAME}:443`]: host }, tls: own });
  // The proxy's own authority can only be the system's: its certificate is one that is not known.
  const tls = { ca: `${pair.cert}${own.cert}`, clientCertificates: [pair] };
  await fails(
    get(client(t, { proxy: new URL(proxy.url), tls }), `https://${NAME}/`),
    'TLS',
    /proxy/,
  );
  const plain = await startProxy(t, { ways: { [`${NAME}:443`]: host } });
  assert.equal(
    await get(client(t, { proxy: new URL(plain.url), tls }), `https://${NAME}/`),
    '200 ',
  );
  assert.deepEqual(shown, ['true']);
});
