import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { SlipwayError } from '../../../src/errors.ts';
import { hostsFolders, hostsFromFolders } from '../../../src/registry/hosts-dir/hosts-dir.ts';
import { makeCertificate } from '../../http/certificates.ts';
import { tempDir } from '../../rig/lifetime.ts';
import { missing } from '../../rig/programs.ts';

const OPENSSL = { skip: missing('openssl') };

type Files = Readonly<Record<string, string>>;

async function folderOf(t: TestContext, files: Files): Promise<string> {
  const folder = await tempDir(t);
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  return folder;
}

async function lookUp(t: TestContext, host: string, files: Files) {
  return await hostsFromFolders([await folderOf(t, files)])(host);
}

async function refused(t: TestContext, files: Files, message: RegExp): Promise<SlipwayError> {
  const error = await lookUp(t, 'a.test', files).then(
    () => assert.fail(`it was taken: ${JSON.stringify(files)}`),
    (thrown) => thrown,
  );
  assert.ok(error instanceof SlipwayError, String(error));
  assert.equal(error.code, 'CONFIG_INVALID');
  assert.match(error.message, message);
  assert.doesNotMatch(`${error.message}${error.hint}`, /geheim/);
  return error;
}

const toml = (text: string): Files => ({ 'a.test/hosts.toml': text });

test('mirrors come in the order of the file, the server last, with what each may do', async (t) => {
  const config = await lookUp(
    t,
    'a.test',
    toml(`
server = "https://upstream.test"
capabilities = ["pull", "resolve"]

[host."https://z.test:5000"]
  capabilities = ["Pull"]
  skip_verify = true
  dial_timeout = "1m1.5s"
  [host."https://z.test:5000".header]
    x-key = "geheim-value"
    X-Many = ["one", "two"]

[host."a-plain-name.test"]

[host."http://b.test/api/docker"]
  capabilities = ["push", "pull", "resolve"]
  an_unknown_key = 1

[host."https://c.test/whole//root/"]
  override_path = true

[host."https://d.test/v2"]
`),
  );
  assert.ok(config);
  assert.deepEqual(
    config.mirrors.map(({ url, basePath, capabilities }) => [
      url?.href,
      basePath,
      [...capabilities].join(),
    ]),
    [
      ['https://z.test:5000/', '/v2', 'pull'],
      ['https://a-plain-name.test/', '/v2', 'pull,resolve,push'],
      ['http://b.test/', '/api/docker/v2', 'push,pull,resolve'],
      ['https://c.test/', '/whole/root', 'pull,resolve,push'],
      ['https://d.test/', '/v2', 'pull,resolve,push'],
    ],
  );
  const [first] = config.mirrors;
  assert.equal(first?.tls.skipVerify, true);
  assert.equal(first?.connectTimeoutMs, 61_500);
  assert.deepEqual(first?.headers, { 'x-key': 'geheim-value', 'x-many': 'one, two' });
  assert.equal(config.server.url?.href, 'https://upstream.test/');
  assert.deepEqual([...config.server.capabilities], ['pull', 'resolve']);
});

test('without a server the names themselves lead there', async (t) => {
  const config = await lookUp(t, 'a.test', toml('[host."https://m.test"]'));
  assert.equal(config?.server.url, undefined);
  assert.deepEqual([...(config?.server.capabilities ?? [])], ['pull', 'resolve', 'push']);
});

test('what is wrong in a file is told with its line, and never quoted', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['server = \n', /hosts\.toml:1: /],
    ['\n\nserver = "x" geheim\n', /hosts\.toml:3: /],
    ['server = 7', /hosts\.toml:1: "server" is no text/],
    [
      '[host."https://m.test"]\n\ncapabilities = ["pull", "geh"]',
      /hosts\.toml:3: "geh" is none of/,
    ],
    ['capabilities = "all"', /hosts\.toml:1: "all" is none of/],
    [
      '[host."https://l.test"]\ndial_timeout="1s"\n[host."https://m.test"]\ndial_timeout = "soon"',
      /hosts\.toml:4: "dial_timeout"/,
    ],
    ['[host."https://me:geheim@m.test"]', /hosts\.toml:1: a URL with a password/],
    ['\n[host."https://m.test/?geheim=1"]', /hosts\.toml:2: the URL of a host has no query/],
    ['\n[host."https://"]', /hosts\.toml:2: it names a host that is no URL/],
    ['host = 1', /hosts\.toml:1: "host" is no table/],
    ['host."https://m.test" = 1', /hosts\.toml:1: .* is no table/],
    ['skip_verify = "true"', /hosts\.toml:1: "skip_verify" is neither true nor false/],
    ['override_path = 1', /"override_path" is neither/],
    ['ca = 1', /hosts\.toml:1: "ca" is no text/],
    ['ca = "absent.pem"', /absent\.pem: it is not there/],
    ['client = [["a", "b", "c"]]', /hosts\.toml:1: "client" is a file/],
    ['client = 7', /hosts\.toml:1: "client" is a file/],
    ['[header]\nx = 7', /hosts\.toml:2: "x" is no text/],
    ['[header]\nHost = "geheim"', /hosts\.toml:2: the header "Host"/],
    ['[header]\nContent-Length = "1"', /the header "Content-Length"/],
    ['[header]\n"a b" = "geheim"', /hosts\.toml:2: the header "a b"/],
    ['[header]\nx-a = "geheim\\r\\nx: y"', /hosts\.toml:2: the header "x-a"/],
  ];
  for (const [text, message] of cases) await refused(t, toml(text), message);
  await refused(t, toml('#'.repeat(1024 * 1024 + 1)), /larger than/);
});

test("docker's certificate files are read where there is no hosts.toml", OPENSSL, async (t) => {
  const [one, two] = [await makeCertificate(t), await makeCertificate(t)];
  const config = await lookUp(t, 'a.test:5000', {
    'a.test:5000/one.crt': `some text\n${one.cert}`,
    'a.test:5000/two.crt': two.cert,
    'a.test:5000/client.cert': one.cert,
    'a.test:5000/client.key': one.key,
    'a.test:5000/notes.txt': 'not read',
  });
  const { ca, clientCertificates } = config?.server.tls ?? {};
  assert.equal(ca?.match(/BEGIN CERTIFICATE/g)?.length, 2);
  assert.deepEqual(clientCertificates, [{ cert: one.cert, key: one.key }]);
});

test('certificates of a hosts.toml are files beside it', OPENSSL, async (t) => {
  const pair = await makeCertificate(t);
  const files = { 'a.test/ca.pem': pair.cert, 'a.test/both.pem': pair.cert + pair.key };
  for (const client of ['"both.pem"', '["both.pem"]', '[["ca.pem", "both.pem"]]']) {
    const config = await lookUp(t, 'a.test', {
      ...files,
      ...toml(`ca="ca.pem"\nclient=${client}`),
    });
    assert.equal(config?.server.tls.ca, pair.cert);
    assert.equal(config?.server.tls.clientCertificates?.length, 1);
  }
});

test('certificates and keys that can not be used are refused by name', OPENSSL, async (t) => {
  const [one, two] = [await makeCertificate(t), await makeCertificate(t)];
  const { cert, key } = one;
  const broken = cert.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  const cases: readonly (readonly [Files, RegExp])[] = [
    [{ 'ca.crt': 'geheim' }, /ca\.crt: it holds no certificate/],
    [{ 'ca.crt': key }, /ca\.crt: it holds no certificate/],
    [{ 'ca.crt': cert + broken }, /ca\.crt: its certificate 2 can't be read/],
    [{ 'c.cert': cert }, /c\.cert: its key c\.key is not there; .* \*\.crt/],
    [{ 'c.key': key }, /c\.key: it belongs to c\.cert/],
    [{ 'c.cert': cert, 'c.key': 'geheim' }, /c\.key: it holds no private key/],
    [{ 'c.cert': cert, 'c.key': two.key }, /c\.key: this key is not that of /],
  ];
  for (const [files, message] of cases) {
    const named = Object.entries(files).map(([name, text]) => [`a.test/${name}`, text]);
    await refused(t, Object.fromEntries(named), message);
  }
});

test('the first folder that knows the host is read, and _default after all of them', async (t) => {
  const server = (name: string) => `server = "https://${name}.test"`;
  const first = await folderOf(t, {
    'a.test/hosts.toml': server('first'),
    '_default/hosts.toml': server('default'),
    'a.test_5000_/hosts.toml': server('underscore'),
    'tls.test:443/hosts.toml': server('with-port'),
  });
  const second = await folderOf(t, {
    'a.test/hosts.toml': server('second'),
    'b.test/hosts.toml': server('b'),
    'docker.io/hosts.toml': server('hub'),
  });
  const find = hostsFromFolders([path.join(first, 'absent'), first, second]);
  const url = async (host: string) => (await find(host))?.server.url?.hostname;
  assert.equal(await url('a.test'), 'first.test');
  assert.equal(await url('a.test:443'), 'first.test');
  assert.equal(await url('a.test:5000'), 'underscore.test');
  assert.equal(await url('tls.test'), 'with-port.test');
  assert.equal(await url('b.test'), 'b.test');
  assert.equal(await url('docker.io'), 'hub.test');
  assert.equal(await url('c.test'), 'default.test');
  assert.equal(await url('../b.test'), undefined);
});

test('a variable names other folders than those of the tools', () => {
  assert.deepEqual(hostsFolders({ SLIPWAY_CERTS_D: '/one:/two' }), ['/one', '/two']);
  assert.deepEqual(hostsFolders({ HOME: '/home/me', SLIPWAY_CERTS_D: '' }), [
    '/home/me/.config/containerd/certs.d',
    '/home/me/.config/containers/certs.d',
    '/home/me/.config/docker/certs.d',
    '/etc/containerd/certs.d',
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
  ]);
});
