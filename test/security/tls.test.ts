import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import http, { type RequestListener } from 'node:http';
import path from 'node:path';
import { dockerArchive, fileOf } from '../cli/archives.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { LAYERS } from '../cli/scene.ts';
import { makeCertificate, serveTls } from '../http/certificates.ts';
import { serveRaw } from '../http/servers.ts';
import { type Call, startFakeRegistry } from '../registry/fake-registry.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { startProxy } from '../rig/proxy.ts';
import { row } from './rows.ts';
import { startTlsOrigin } from './tls-origin.ts';
import { assertNoMarker, assertPublished, assertRefused, SECRETS } from './two-origins.ts';

const OPENSSL = { skip: missing('openssl') };
const LOGIN = `${SECRETS.username}:${SECRETS.password}`;

/** Hands requests on to a registry without TLS. */
function forwardTo(host: string): RequestListener {
  const [hostname, port] = host.split(':');
  return (request, response) => {
    const { method, url, headers } = request;
    const onward = http.request({ hostname, port, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  };
}

/** Puts a client certificate for a registry where it is looked for. */
async function clientCertificate(owner: Owner, folder: string, host: string): Promise<void> {
  const own = path.join(folder, host);
  await mkdir(own, { recursive: true });
  const client = await makeCertificate(owner, { name: 'DNS:client.test' });
  await writeFile(path.join(own, 'client.cert'), client.cert);
  await writeFile(path.join(own, 'client.key'), client.key, { mode: 0o600 });
}

row(
  'TLS',
  'GHSA-h3wm-jjqf-8jm2',
  'a client certificate is shown to its registry and to nobody that the registry sends us to',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const archive = await fileOf(t, 'app.tar', dockerArchive({ layers: LAYERS }));
    const sink = await startTlsOrigin(t, (_request, response) => {
      response.writeHead(404).end();
    });
    let answer: RequestListener = () => {};
    const origin = await startTlsOrigin(t, (request, response) => answer(request, response));
    await clientCertificate(t, slipway.env.SLIPWAY_CERTS_D ?? '', origin.host);
    const insecure = [origin.host, sink.host].flatMap((host) => ['--skip-tls-verify', host]);
    const location = `https://${sink.host}/v2/team/app/blobs/uploads/x`;
    const challenge = `Bearer realm="https://${sink.host}/token"`;
    for (answer of [
      (_request, response) => response.writeHead(307, { location }).end(),
      ({ method }, response) =>
        response.writeHead(method === 'POST' ? 202 : 404, { location }).end(),
      (_request, response) => response.writeHead(401, { 'www-authenticate': challenge }).end(),
    ] satisfies RequestListener[]) {
      const before = sink.requests.length;
      const to = `${origin.host}/team/app:1`;
      const args = ['push', '--from', `docker-archive:${archive}`, to, '--retries', '0'];
      const { code, stderr } = await slipway.run([...args, ...insecure, '--token-realm', 'any']);
      assert.notEqual(code, 0);
      assert.doesNotMatch(stderr, /bug of slipway/);
      assert.ok(sink.requests.length > before, stderr);
    }
    assert.ok(origin.clients.every((shown) => shown !== ''));
    assert.ok(sink.clients.every((shown) => shown === ''));
  },
  OPENSSL,
);

row(
  'TLS',
  'GHSA-h3wm-jjqf-8jm2',
  'nor is it shown to a proxy with TLS on the way',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const own = await makeCertificate(t);
    const origin = await startTlsOrigin(
      t,
      (_request, response) => void response.writeHead(404).end(),
    );
    const name = 'registry.test:5000';
    const proxy = await startProxy(t, { tls: own, ways: { [name]: origin.host } });
    await clientCertificate(t, slipway.env.SLIPWAY_CERTS_D ?? '', name);
    const extra = path.join(await tempDir(t), 'ca.pem');
    await writeFile(extra, own.cert);
    const { code, stderr } = await slipway.program.run(
      ['inspect', `${name}/team/app:1`, '--skip-tls-verify', name, '--retries', '0'],
      { env: { HTTPS_PROXY: proxy.url, NODE_EXTRA_CA_CERTS: extra } },
    );
    assert.equal(code, 12, stderr);
    assert.ok(proxy.requests.length > 0);
    assert.ok(proxy.requests.every(({ clientCertificate }) => clientCertificate === undefined));
    assert.ok(origin.clients.length > 0 && origin.clients.every((shown) => shown !== ''));
  },
  OPENSSL,
);

row(
  'TLS',
  'CVE-2014-5277',
  'a failed handshake is never a reason to go on without TLS, or to send a login',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const firstBytes: (number | undefined)[] = [];
    for (const answer of [
      // A fatal alert, a cut, and a handshake that breaks off.
      Buffer.from([0x15, 3, 3, 0, 2, 2, 0x28]),
      undefined,
      Buffer.from([0x16, 3, 3, 0, 4, 2, 0, 0, 0]),
    ]) {
      const host = await serveRaw(t, (socket) => {
        socket.once('data', (bytes: Buffer) => {
          firstBytes.push(bytes[0]);
          if (answer === undefined) socket.destroy();
          else socket.end(answer);
        });
      });
      await slipway.knowPasswords({ [host]: LOGIN });
      const args = ['ls', `${host}/team/app`, '--retries', '0'];
      for (const flags of [[], ['--insecure-registry']]) {
        const { code, stderr } = await slipway.run([...args, ...flags]);
        assert.equal(code, 16, stderr);
      }
    }
    assert.ok(firstBytes.length > 0);
    assert.ok(
      firstBytes.every((byte) => byte === 0x16),
      'nothing but the begin of a handshake',
    );
  },
);

row(
  'TLS',
  'CVE-2025-6032, CVE-2025-59347, CVE-2025-59410',
  'a certificate that is self-signed, out of date or for another name is refused',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const folder = slipway.env.SLIPWAY_CERTS_D ?? '';
    for (const [options, says, isKnown] of [
      [{}, /self-signed/, false],
      [{ days: -1 }, /expired/, true],
      [{ name: 'DNS:other.test' }, /another name/, true],
    ] as const) {
      const pair = await makeCertificate(t, options);
      const requests: string[] = [];
      const host = await serveTls(t, pair, (request, response) => {
        requests.push(request.url ?? '');
        response.end();
      });
      await slipway.knowPasswords({ [host]: LOGIN });
      if (isKnown) {
        await mkdir(path.join(folder, host), { recursive: true });
        await writeFile(path.join(folder, host, 'ca.crt'), pair.cert);
      }
      assertRefused(await slipway.run(['ls', `${host}/team/app`]), 16, says);
      assert.deepEqual(requests, []);
    }
  },
  OPENSSL,
);

row(
  'TLS',
  'CVE-2022-32210',
  'a proxy that answers TLS itself, with a certificate of its own, is refused',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const intercepts = await makeCertificate(t, { name: 'DNS:registry.test' });
    const proxy = await startProxy(t, { intercepts, ways: { 'registry.test:443': '127.0.0.1:1' } });
    await slipway.knowPasswords({ 'registry.test': LOGIN });
    const env = { HTTPS_PROXY: proxy.url };
    const result = await slipway.run(
      ['ls', 'registry.test/team/app', '--retries', '0'],
      undefined,
      env,
    );
    assertRefused(result, 16, /certificate of registry.test isn't trusted/);
    assert.ok(proxy.requests.length > 0);
    assert.deepEqual(proxy.seenInside, []);
  },
  OPENSSL,
);

row(
  'TLS',
  'the one insecure switch of buildkit, skopeo and others',
  'plain http and unchecked certificates are two switches, for the hosts that they name',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const plain = await startFakeRegistry(t);
    const secured = await startTlsOrigin(
      t,
      (_request, response) => void response.writeHead(404).end(),
    );
    const other = 'other.test:5000';
    const reaches = async (host: string, ...flags: readonly string[]): Promise<boolean> => {
      const { code, stderr } = await slipway.run([
        'inspect',
        `${host}/a:1`,
        '--retries',
        '0',
        ...flags,
      ]);
      assert.ok([12, 16].includes(code), stderr);
      const isWarned = /is not checked|without encryption/.test(stderr);
      assert.equal(isWarned, flags.length > 0, stderr);
      return code === 12;
    };
    const { host } = secured;
    assert.equal(await reaches(host), false);
    assert.equal(await reaches(host, '--plain-http', host), false);
    assert.equal(await reaches(host, '--skip-tls-verify', host), true);
    assert.equal(await reaches(host, `--insecure-registry=${host}`), true);
    assert.equal(await reaches(host, '--skip-tls-verify', other), false);
    assert.equal(await reaches(host, `--insecure-registry=${other}`), false);
    assert.equal(await reaches(plain.host, '--plain-http', plain.host), true);
  },
  OPENSSL,
);

row(
  'TLS',
  'GHSA-vh4v-2xq2-g5cg',
  'no method follows a redirect or a Location from https to http',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const archive = await fileOf(t, 'app.tar', dockerArchive({ layers: LAYERS }));
    const sink = await startFakeRegistry(t);
    for (const method of ['HEAD', 'GET', 'POST', 'PATCH', 'PUT', 'Location']) {
      const registry = await startFakeRegistry(t);
      const forward = forwardTo(registry.host);
      const origin = await startTlsOrigin(t, (request, response) => {
        const location = `http://${sink.host}${request.url}`;
        if (method === 'Location' && request.method === 'POST') {
          return void response.writeHead(202, { location: `${location}x` }).end();
        }
        if (request.method === method) return void response.writeHead(307, { location }).end();
        forward(request, response);
      });
      await slipway.knowPasswords({ [origin.host]: LOGIN });
      const insecure = ['--skip-tls-verify', origin.host, '--retries', '0'];
      const to = `${origin.host}/team/app:1`;
      const args =
        method === 'GET'
          ? ['ls', `${origin.host}/team/app`]
          : ['push', '--from', `docker-archive:${archive}`, to];
      const result = await slipway.run([...args, ...insecure]);
      // There may be a way around: what is there need not be known, a stream can be one body.
      if (result.code === 0) assertPublished(result, registry);
      else assertRefused(result, 16, /from https to plain http/);
    }
    assert.equal(sink.seen.length, 0);
  },
  OPENSSL,
);

row(
  'TLS',
  'CVE-2026-25679, CVE-2025-47912, CVE-2025-22870',
  'hosts with zones and other odd addresses are refused, and addresses are compared as such',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const proxy = await startProxy(t);
    const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url, NO_PROXY: '198.51.100.0/24' };
    for (const host of [
      '[::1%25eth0]:5000',
      '[fe80::1%25a.evil]',
      '[fe80::1%eth0]:5000',
      '[::1',
      '[a]',
      '1.2.3.4.5:x',
    ]) {
      const result = await slipway.run(['ls', `${host}/team/app`], undefined, env);
      assertRefused(result, 2, /invalid reference|is not a host/);
    }
    assert.equal(proxy.requests.length, 0);
    // The machine itself is never reached through a proxy, however it is written.
    for (const host of ['[::ffff:127.0.0.1]:1', '127.0.0.1:1', '[::1]:1', 'localhost:1']) {
      const result = await slipway.run(['ls', `${host}/a`, '--retries', '0'], undefined, env);
      assert.ok([2, 16].includes(result.code), result.stderr);
    }
    assert.equal(proxy.requests.length, 0);
  },
);

row(
  'Credentials',
  'CVE-2026-6734',
  'two registries behind one proxy get each its own content and its own login',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const both = [await startFakeRegistry(t, basic), await startFakeRegistry(t, basic)] as const;
    const names = ['one.test:80', 'two.test:80'] as const;
    const ways = { [names[0]]: both[0].host, [names[1]]: both[1].host };
    const proxy = await startProxy(t, { login: 'me:marker-proxy-secret', ways });
    await slipway.knowPasswords({ [names[0]]: 'one:marker-one', [names[1]]: 'two:marker-two' });
    const archive = await fileOf(t, 'app.tar', dockerArchive({ layers: LAYERS }));
    const result = await slipway.program.run(
      [
        ...[
          'push',
          '--from',
          `docker-archive:${archive}`,
          `${names[0]}/team/app:1`,
          `${names[1]}/team/app:1`,
        ],
        ...names.flatMap((name) => ['--plain-http', name]),
        ...['--debug', '--retries', '0'],
      ],
      { env: { HTTP_PROXY: proxy.url.replace('//', '//me:marker-proxy-secret@') } },
    );
    for (const registry of both) assertPublished(result, registry);
    for (const [at, registry] of both.entries()) {
      const own = Buffer.from(at === 0 ? 'one:marker-one' : 'two:marker-two').toString('base64');
      for (const { headers } of registry.seen) {
        assert.ok([undefined, `Basic ${own}`].includes(headers.authorization));
        assert.equal(headers['proxy-authorization'], undefined);
      }
    }
    assert.doesNotMatch(result.stderr, /marker-/);
    assertNoMarker(result.stderr, 'standard error');
  },
);

function basic(call: Call): boolean {
  if (call.request.headers.authorization !== undefined) return false;
  void call.body();
  call.answer(401, { 'www-authenticate': 'Basic realm="here"' });
  return true;
}
