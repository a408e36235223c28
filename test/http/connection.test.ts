import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { SlipwayError } from '../../src/errors.ts';
import { createHttp, type HttpOptions } from '../../src/http/client.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing, startDaemon } from '../rig/programs.ts';
import { reset } from '../rig/reset.ts';
import { makeCertificate, serveTls } from './certificates.ts';
import { closedPort, serve, serveRaw } from './servers.ts';

const OPENSSL = { skip: missing('openssl') };

async function get(t: TestContext, url: string, options: HttpOptions = {}): Promise<string> {
  const http = createHttp(options);
  t.after(() => http.close());
  const response = await http.send({ method: 'GET', url: new URL(url) });
  return (await response.read(1_000_000)).toString();
}

interface Wanted {
  readonly code: string;
  readonly message: RegExp;
  readonly hint?: RegExp;
  readonly transient?: boolean;
}

async function fails(work: Promise<unknown>, wanted: Wanted): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof SlipwayError, String(error));
    assert.equal(error.code, wanted.code, error.message);
    assert.match(error.message, wanted.message);
    if (wanted.hint !== undefined) assert.match(error.hint ?? '', wanted.hint);
    assert.equal(error.facts.transient ?? false, wanted.transient ?? false);
    return true;
  });
}

test('a refused connection says which address and port were tried', async (t) => {
  const port = await closedPort();
  await fails(get(t, `http://localhost:${port}/`), {
    code: 'NETWORK',
    message: new RegExp(
      `localhost:${port} refused the connection \\(tried .*127\\.0\\.0\\.1 port ${port}`,
    ),
    hint: /running/,
    transient: true,
  });
});

test('a connection that is cut before the answer, or in it', async (t) => {
  const before = await serveRaw(t, (socket) => socket.once('data', () => socket.destroy()));
  await fails(get(t, `http://${before}/`), { code: 'NETWORK', message: /cut/, transient: true });
  const inHeaders = await serveRaw(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-le')),
  );
  await fails(get(t, `http://${inHeaders}/`), { code: 'NETWORK', message: /cut/, transient: true });
  const inBody = await serveRaw(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort')),
  );
  await fails(get(t, `http://${inBody}/`), { code: 'NETWORK', message: /cut/, transient: true });
  const inChunk = await serveRaw(t, (socket) =>
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nshort'),
    ),
  );
  await fails(get(t, `http://${inChunk}/`), { code: 'NETWORK', message: /cut/, transient: true });
  const byReset = await serve(t, (request, response) => {
    response.writeHead(200, { 'content-length': '9' });
    response.write('short', () => reset(request.socket));
  });
  await fails(get(t, `http://${byReset}/`), { code: 'NETWORK', message: /cut/, transient: true });
});

test('bytes beyond Content-Length are not taken', async (t) => {
  const host = await serveRaw(t, (socket) =>
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokMORE')),
  );
  assert.equal(await get(t, `http://${host}/`), 'ok');
});

for (const [what, answer] of [
  ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['a bad chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n'],
] as const) {
  test(`${what} is no HTTP answer`, async (t) => {
    const host = await serveRaw(t, (socket) => socket.once('data', () => socket.end(answer)));
    await fails(get(t, `http://${host}/`), { code: 'NOT_A_REGISTRY', message: /no HTTP server/ });
  });
}

test('an answer of two lengths is not believed', async (t) => {
  for (const second of ['content-length: 2', 'transfer-encoding: chunked']) {
    const answer = `HTTP/1.1 200 OK\r\ncontent-length: 1\r\n${second}\r\n\r\nab`;
    const host = await serveRaw(t, (socket) => socket.once('data', () => socket.end(answer)));
    await assert.rejects(get(t, `http://${host}/`), SlipwayError);
  }
});

test('headers without end are cut off', async (t) => {
  const host = await serveRaw(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n');
      const more = () => socket.writable && socket.write(`x-${'y'.repeat(8_000)}: z\r\n`, more);
      more();
    });
  });
  await fails(get(t, `http://${host}/`), { code: 'LIMIT_EXCEEDED', message: /too large headers/ });
});

test('TLS is not spoken to a plain server, nor plain http to a TLS one', async (t) => {
  const plain = await serve(t, (_request, response) => response.end());
  await fails(get(t, `https://${plain}/`), {
    code: 'TLS',
    message: /does not speak TLS/,
    hint: new RegExp(`--plain-http ${plain}`),
  });
  const tls = await serveTls(t, await makeCertificate(t), (_request, response) => response.end());
  await assert.rejects(get(t, `http://${tls}/`), (error) => {
    // Some servers just hang up, others answer a TLS alert.
    assert.ok(error instanceof SlipwayError);
    assert.match(error.code, /^(?:NETWORK|NOT_A_REGISTRY)$/);
    return true;
  });
});

test('certificates that are not trusted are refused, each with its reason', {
  skip: missing('openssl'),
}, async (t) => {
  let requests = 0;
  const start = async (options: Parameters<typeof makeCertificate>[1]) => {
    const pair = await makeCertificate(t, options);
    const host = await serveTls(t, pair, (_request, response) => {
      requests++;
      response.end('answer');
    });
    return { host, route: () => ({ tls: { ca: pair.cert } }) };
  };
  const good = await start({});
  await fails(get(t, `https://${good.host}/`), {
    code: 'TLS',
    message: /self-signed/,
    hint: new RegExp(`--skip-tls-verify ${good.host}`),
  });
  const expired = await start({ days: -1 });
  await fails(get(t, `https://${expired.host}/`, { route: expired.route }), {
    code: 'TLS',
    message: /has expired \(this machine says 20/,
  });
  const future = await start({ days: 20 });
  await fails(get(t, `https://${future.host}/`, { route: future.route }), {
    code: 'TLS',
    message: /not valid yet \(this machine says 20/,
  });
  const other = await start({ name: 'DNS:registry.example.org' });
  await fails(get(t, `https://${other.host}/`, { route: other.route }), {
    code: 'TLS',
    message: /for another name/,
  });
  assert.equal(requests, 0, 'a request was sent to a server that is not trusted');
  assert.equal(await get(t, `https://${good.host}/`, { route: good.route }), 'answer');
  assert.equal(
    await get(t, `https://${good.host}/`, { route: () => ({ tls: { skipVerify: true } }) }),
    'answer',
  );
});

test('a server that wants to know who connects is told as such', OPENSSL, async (t) => {
  const [own, other] = [await makeCertificate(t), await makeCertificate(t)];
  const folder = await tempDir(t);
  const files = { cert: path.join(folder, 'cert'), key: path.join(folder, 'key') };
  await Promise.all([writeFile(files.cert, own.cert), writeFile(files.key, own.key)]);
  let host = '';
  // It answers as servers in Go do, which Node's own can't: with an alert after the handshake.
  const wants = ['-Verify', '1', '-verify_return_error', '-CAfile', files.cert];
  const serves = ['-accept', '127.0.0.1:0', '-cert', files.cert, '-key', files.key, '-www'];
  await startDaemon(t, 'openssl', ['s_server', ...serves, ...wants], {}, (log) => {
    host = /ACCEPT (127\.0\.0\.1:[1-9][0-9]*)/.exec(log)?.[1] ?? '';
    return host !== '';
  });
  const as = (...clientCertificates: readonly (typeof own)[]) =>
    get(t, `https://${host}/`, { route: () => ({ tls: { ca: own.cert, clientCertificates } }) });
  const hint = /client\.cert and client\.key/;
  await fails(as(), { code: 'TLS', message: /wants a client certificate/, hint });
  await fails(as(other), { code: 'TLS', message: /client certificate/, hint });
  assert.match(await as(own), /s_server/);
});

test('checks are switched off for the named host only', { skip: missing('openssl') }, async (t) => {
  const pair = await makeCertificate(t);
  const named = await serveTls(t, pair, (_request, response) => response.end('answer'));
  const other = await serveTls(t, pair, (_request, response) => response.end('answer'));
  const route = ({ host }: URL) => ({ tls: { skipVerify: host === named } });
  assert.equal(await get(t, `https://${named}/`, { route }), 'answer');
  await fails(get(t, `https://${other}/`, { route }), { code: 'TLS', message: /self-signed/ });
});

test('a server that wants another TLS is a TLS failure', {
  skip: missing('openssl'),
}, async (t) => {
  const pair = await makeCertificate(t);
  const options = {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.2',
    ciphers: 'NULL-SHA256:@SECLEVEL=0',
  } as const;
  const host = await serveTls(t, pair, (_request, response) => response.end(), options);
  await fails(get(t, `https://${host}/`, { route: () => ({ tls: { ca: pair.cert } }) }), {
    code: 'TLS',
    message: /TLS/,
  });
});

test('a host that does not exist is permanent', async (t) => {
  const startedAt = performance.now();
  await assert.rejects(get(t, 'http://registry.invalid/'), (error) => {
    assert.ok(error instanceof SlipwayError);
    assert.equal(error.code, 'NETWORK');
    // A machine without a name server can't know that the name doesn't exist.
    assert.match(error.message, /no such host: registry\.invalid|can't be looked up just now/);
    return true;
  });
  assert.ok(performance.now() - startedAt < 20_000);
});
