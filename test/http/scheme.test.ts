import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { probeScheme } from '../../src/http/scheme.ts';
import { missing, skipReason } from '../rig/programs.ts';
import { reset } from '../rig/reset.ts';
import { makeCertificate, serveTls } from './certificates.ts';
import { closedPort, serve, serveRaw } from './servers.ts';

test('a server with a certificate that nobody trusts speaks https', {
  skip: missing('openssl'),
}, async (t) => {
  let requests = 0;
  const count = () => requests++;
  for (const options of [{}, { days: -1 }, { name: 'DNS:example.org' }]) {
    const host = await serveTls(t, await makeCertificate(t, options), count);
    assert.equal(await probeScheme(host), 'https');
  }
  assert.equal(requests, 0);
});

test('a plain server speaks http, and hears no request', async (t) => {
  let requests = 0;
  const host = await serve(t, () => requests++);
  assert.equal(await probeScheme(host), 'http');
  assert.equal(requests, 0);
});

test('an answer that is no TLS at all means http', async (t) => {
  const host = await serveRaw(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  assert.equal(await probeScheme(host), 'http');
});

test('a server that hangs up is an error, never a reason for http', async (t) => {
  const hangUps = [
    await serveRaw(t, (socket) => socket.destroy()),
    await serveRaw(t, (socket) => socket.end()),
    await serveRaw(t, (socket) => socket.once('data', () => reset(socket))),
  ];
  for (const host of hangUps) {
    await assert.rejects(probeScheme(host), { code: 'NETWORK' });
  }
});

test('a handshake that fails is an error, never a reason for http', {
  skip: missing('openssl'),
}, async (t) => {
  const pair = await makeCertificate(t);
  // An alert: TLS 1.2, level fatal, "handshake failure".
  const alert = Buffer.from('15030300020228', 'hex');
  const alerting = await serveRaw(t, (socket) => socket.once('data', () => socket.end(alert)));
  await assert.rejects(probeScheme(alerting), { code: 'TLS' });
  const old = await serveTls(t, pair, () => {}, {
    maxVersion: 'TLSv1.2',
    ciphers: 'NULL-SHA256:@SECLEVEL=0',
  });
  await assert.rejects(probeScheme(old), { code: 'TLS' });
});

test('a server that wants a client certificate speaks https', async (t) => {
  // TLS 1.2, level fatal: "bad certificate", "unknown CA" and, of TLS 1.3, "certificate required".
  for (const alert of ['1503030002022a', '15030300020230', '15030300020274']) {
    const bytes = Buffer.from(alert, 'hex');
    const host = await serveRaw(t, (socket) => socket.once('data', () => socket.end(bytes)));
    assert.equal(await probeScheme(host), 'https');
  }
});

test('a server that says nothing is an error', async (t) => {
  const host = await serveRaw(t, () => {});
  await assert.rejects(probeScheme(host, { timeoutMs: 100 }), { code: 'NETWORK' });
});

test('a refused connection says nothing about the scheme', async () => {
  await assert.rejects(probeScheme(`127.0.0.1:${await closedPort()}`), { code: 'NETWORK' });
});

test('an abort ends the probe with its own reason', async (t) => {
  const host = await serveRaw(t, () => {});
  const reason = new Error('enough');
  const abort = new AbortController();
  setTimeout(() => abort.abort(reason), 20);
  await assert.rejects(probeScheme(host, { signal: abort.signal }), reason);
});

test('an address of IPv6 is probed too', async (t) => {
  const server = createServer();
  const isThere = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(0, '::1', () => resolve(true));
  });
  if (!isThere) return t.skip(skipReason('needs IPv6'));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  assert.equal(await probeScheme(`[::1]:${address.port}`), 'http');
});
