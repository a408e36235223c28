import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { missing } from '../rig/programs.ts';
import { type ProxyOptions, startProxy } from '../rig/proxy.ts';
import { prepareSlipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { startTlsFront, type TlsFront } from '../rig/tls-front.ts';
import { dockerArchive, fileOf } from './archives.ts';
import { LAYERS } from './scene.ts';

const SKIP = { skip: missing('docker-registry', 'nginx', 'openssl', 'htpasswd') };
const LOGIN = 'me:marker-of-the-proxy';
const PLAIN = 'plain.invalid:5000';

let front: TlsFront;
let ways: Record<string, string>;

test.before(async () => {
  if (SKIP.skip !== false) return;
  const registry = await startDockerRegistry(THIS_FILE, {
    users: { tester: 'marker-of-registry' },
  });
  front = await startTlsFront(THIS_FILE, registry.host, { name: 'registry.invalid' });
  ways = { [front.host]: front.address, [PLAIN]: registry.host };
});

/** The program behind a proxy, which knows the way to both registries. */
async function prepare(t: TestContext, options: ProxyOptions = {}) {
  const slipway = await prepareSlipway(t);
  const proxy = await startProxy(t, { ways, login: LOGIN, ...options });
  const archive = await fileOf(t, 'app.tar', dockerArchive({ names: ['app:1'], layers: LAYERS }));
  await slipway.knowPasswords({
    [front.host]: 'tester:marker-of-registry',
    [PLAIN]: 'tester:marker-of-registry',
  });
  const folder = path.join(slipway.env.SLIPWAY_CERTS_D ?? '', front.host);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'hosts.toml'), `ca = ${JSON.stringify(front.caFile)}`);
  return {
    ...slipway,
    proxy,
    url: proxy.url.replace('//', `//${LOGIN}@`),
    push: (host: string, ...flags: string[]) => [
      ...['push', ...flags, '--retries', '0', '--from', `docker-archive:${archive}`],
      `${host}/team/app:1`,
    ],
  };
}

test('push and pull go through a proxy with a password', SKIP, async (t) => {
  const { proxy, url, must, push } = await prepare(t);
  const env = { HTTPS_PROXY: url };
  await must(push(front.host, '-q', '--verify'), { env });
  await must(['pull', '-q', `${front.host}/team/app:1`], { env });
  assert.ok(proxy.requests.length > 0);
  assert.deepEqual(
    new Set(proxy.requests.map(({ method, target }) => `${method} ${target}`)),
    new Set([`CONNECT ${front.host}`]),
  );
  const heard = JSON.stringify(proxy.requests);
  const login = Buffer.from('tester:marker-of-registry').toString('base64');
  assert.ok(!heard.includes(login), "the proxy heard the registry's login");
});

test('a proxy that speaks TLS is checked like a registry', SKIP, async (t) => {
  const own = await startTlsFront(t, '127.0.0.1:1', { name: 'localhost' });
  const tls = {
    cert: await readFile(own.serverFiles.cert, 'utf8'),
    key: await readFile(own.serverFiles.key, 'utf8'),
  };
  const { proxy, url, must, run, push } = await prepare(t, { tls });
  const env = { https_proxy: url.replace('127.0.0.1', 'localhost') };
  const refused = await run(push(front.host), { env });
  assert.equal(refused.code, 16, refused.stderr);
  assert.match(refused.stderr, /the proxy localhost:[0-9]+, on the way to registry\.invalid/);
  assert.match(refused.stderr, /its authority is unknown here/);
  assert.deepEqual(proxy.requests, []);
  await must(push(front.host, '-q'), { env: { ...env, SSL_CERT_FILE: own.caFile } });
  assert.ok(proxy.requests.every(({ clientCertificate }) => clientCertificate === undefined));
});

test('plain http names its URLs to the proxy, once the user asked for it', SKIP, async (t) => {
  const { proxy, url, must, run, push } = await prepare(t);
  const env = { HTTP_PROXY: url, HTTPS_PROXY: url };
  const without = await run(push(PLAIN), { env });
  assert.equal(without.code, 16, without.stderr);
  assert.match(without.stderr, /plain\.invalid:5000 does not speak TLS/);
  assert.match(without.stderr, /--plain-http plain\.invalid:5000/);
  assert.ok(proxy.requests.every(({ method }) => method === 'CONNECT'));
  await must(push(PLAIN, '-q', '--plain-http', PLAIN), { env });
  await must(push(PLAIN, '-q', '--insecure-registry'), { env });
  const targets = proxy.requests.filter(({ method }) => method !== 'CONNECT');
  assert.ok(targets.some(({ method }) => method === 'PUT'));
  assert.ok(targets.every(({ target }) => target.startsWith(`http://${PLAIN}/v2/`)));
});

test('what the proxy refuses is told as its refusal, without any password', SKIP, async (t) => {
  const wrong = LOGIN.replace('marker', 'another-marker');
  for (const [options, login, message] of [
    [{}, `${wrong}@`, /the proxy 127\.0\.0\.1:[0-9]+ refuses the login/],
    [{}, '', /the proxy 127\.0\.0\.1:[0-9]+ wants a login/],
    [{ refuses: 403 }, `${LOGIN}@`, /does not let us through \(it answered 403\)/],
    [{ refuses: 502 }, `${LOGIN}@`, /does not let us through \(it answered 502\)/],
  ] as const) {
    const { proxy, run, push } = await prepare(t, options);
    const env = { ALL_PROXY: proxy.url.replace('//', `//${login}`) };
    const { code, stderr, stdout } = await run(push(front.host, '--debug'), { env });
    assert.equal(code, 16, stderr);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr + stdout, /marker/);
  }
});

test('a proxy that ends TLS with its own certificate hears nothing', SKIP, async (t) => {
  const other = await startTlsFront(t, '127.0.0.1:1', { name: 'registry.invalid' });
  const intercepts = {
    cert: await readFile(other.serverFiles.cert, 'utf8'),
    key: await readFile(other.serverFiles.key, 'utf8'),
  };
  const { proxy, url, run, push } = await prepare(t, { intercepts });
  const { code, stderr } = await run(push(front.host), { env: { HTTPS_PROXY: url } });
  assert.equal(code, 16, stderr);
  assert.match(stderr, /the certificate of registry\.invalid:[0-9]+ isn't trusted/);
  assert.deepEqual(proxy.seenInside, []);
});

test("docker's config file names proxies too, and NO_PROXY goes past them", SKIP, async (t) => {
  const { proxy, url, env: home, must, run, push } = await prepare(t);
  const file = path.join(home.DOCKER_CONFIG ?? '', 'config.json');
  const auths = {
    [front.host]: { auth: Buffer.from('tester:marker-of-registry').toString('base64') },
  };
  await writeFile(file, JSON.stringify({ auths, proxies: { default: { httpsProxy: url } } }));
  await must(push(front.host, '-q'));
  const { length } = proxy.requests;
  assert.ok(length > 0);
  // Nothing but the proxy knows that name.
  const { code, stderr } = await run(push(front.host), { env: { NO_PROXY: '.invalid' } });
  assert.equal(code, 16, stderr);
  assert.doesNotMatch(stderr, /the proxy/);
  assert.equal(proxy.requests.length, length);
});

test('SOCKS is refused with the name of the variable', SKIP, async (t) => {
  const { run, push } = await prepare(t);
  const env = { HTTPS_PROXY: 'socks5://me:marker@127.0.0.1:1' };
  const { code, stderr } = await run(push(front.host), { env });
  assert.equal(code, 2, stderr);
  assert.match(stderr, /the proxy of HTTPS_PROXY speaks SOCKS, which is not supported/);
  assert.doesNotMatch(stderr, /marker/);
});
