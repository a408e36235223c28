import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeCertificate, serveTls } from '../http/certificates.ts';
import { serve } from '../http/servers.ts';
import { type RunningRegistry, startDockerRegistry } from '../rig/docker-registry.ts';
import { missing } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { startTlsFront, type TlsFront } from '../rig/tls-front.ts';
import { dockerArchive, fileOf } from './archives.ts';
import { prepareCommandLine } from './in-process.ts';
import { LAYERS } from './scene.ts';

const SKIP = { skip: missing('docker-registry', 'nginx', 'openssl') };

let plain: RunningRegistry;
let front: TlsFront;
let mutual: TlsFront;

test.before(async () => {
  if (SKIP.skip !== false) return;
  plain = await startDockerRegistry(THIS_FILE);
  [front, mutual] = await Promise.all([
    startTlsFront(THIS_FILE, plain.host),
    startTlsFront(THIS_FILE, plain.host, { isMutual: true }),
  ]);
});

async function prepare(t: TestContext) {
  const commands = await prepareCommandLine(t);
  const archive = await fileOf(t, 'app.tar', dockerArchive({ names: ['app:1'], layers: LAYERS }));
  const certs = commands.env.SLIPWAY_CERTS_D ?? '';
  return {
    ...commands,
    push: (host: string, ...flags: string[]) => [
      ...['push', ...flags, '--retries', '0', '--from', `docker-archive:${archive}`],
      `${host}/team/app:1`,
    ],
    /** Puts files into the host's folder: texts, or copies of files. */
    async configure(host: string, files: Readonly<Record<string, string>>) {
      await mkdir(path.join(certs, host), { recursive: true });
      for (const [name, content] of Object.entries(files)) {
        const file = path.join(certs, host, name);
        await (content.startsWith('/') ? copyFile(content, file) : writeFile(file, content));
      }
    },
  };
}

test(
  'a private authority in certs.d is trusted for its host, in push and pull',
  SKIP,
  async (t) => {
    const { run, must, push, configure } = await prepare(t);
    const unknown = await run(push(front.host));
    assert.equal(unknown.code, 16, unknown.stderr);
    assert.match(unknown.stderr, /isn't trusted: its authority is unknown here/);
    assert.ok(unknown.stderr.includes(`/etc/docker/certs.d/${front.host}/ca.crt`), unknown.stderr);
    await configure(front.host, { 'private.crt': front.caFile });
    const [pushed = ''] = await must(push(front.host, '-q'));
    assert.match(pushed, /@sha256:/);
    await must(['pull', '-q', `${front.host}/team/app:1`]);
  },
);

test(
  'the system finds authorities in SSL_CERT_FILE, Node in NODE_EXTRA_CA_CERTS',
  SKIP,
  async (t) => {
    const { program, push } = await prepare(t);
    for (const name of ['SSL_CERT_FILE', 'NODE_EXTRA_CA_CERTS']) {
      await program.must(push(front.host, '-q'), { env: { [name]: front.caFile } });
    }
  },
);

test('a client certificate opens a registry that wants one', SKIP, async (t) => {
  const { run, must, push, configure } = await prepare(t);
  await configure(mutual.host, { 'ca.crt': mutual.caFile });
  const without = await run(push(mutual.host));
  assert.equal(without.code, 16, without.stderr);
  assert.match(without.stderr, /localhost:[0-9]+ wants a client certificate/);
  assert.match(without.stderr, /client\.cert and client\.key/);
  const { cert, key } = mutual.clientFiles;
  await configure(mutual.host, { 'client.cert': cert, 'client.key': key });
  await must(push(mutual.host, '-q'));
  await must(['pull', '-q', `${mutual.host}/team/app:1`]);
});

test('hosts.toml names the same files, and a mirror that wants a certificate', SKIP, async (t) => {
  const { must, run, push, configure, env } = await prepare(t);
  await must(push(plain.host, '-q'));
  const { cert, key } = mutual.clientFiles;
  await configure('names.test', {
    'hosts.toml': `server = "https://nowhere.invalid"
      [host."https://${mutual.host}"]
      capabilities = ["pull", "resolve"]
      ca = "ca.pem"
      client = [["c.pem", "k.pem"]]`,
    'ca.pem': mutual.caFile,
    'c.pem': cert,
    'k.pem': key,
  });
  await must(['pull', '-q', 'names.test/team/app:1']);
  await must(['inspect', 'names.test/team/app:1']);
  const images = await must(['images']);
  assert.match(images.join('\n'), /names\.test\/team\/app/);
  await writeFile(path.join(env.SLIPWAY_CERTS_D ?? '', 'names.test/hosts.toml'), 'server = \n');
  const broken = await run(['pull', 'names.test/team/app:1']);
  assert.equal(broken.code, 2, broken.stderr);
  assert.match(broken.stderr, /names\.test\/hosts\.toml:1: /);
});

test('a client certificate is not shown to whom the registry sends us on', SKIP, async (t) => {
  const { run, configure } = await prepare(t);
  const pair = await makeCertificate(t, { name: 'DNS:localhost' });
  const shown: string[] = [];
  const asking = { requestCert: true, rejectUnauthorized: false, ca: pair.cert };
  const note = (server: string) => (request: { socket: object }) => {
    const { subject } = (
      request.socket as { getPeerCertificate(): { subject?: { CN?: string } } }
    ).getPeerCertificate();
    shown.push(`${server} ${subject?.CN ?? 'nobody'}`);
  };
  const sink = await serveTls(
    t,
    pair,
    (request, response) => {
      note('sink')(request);
      response.writeHead(404).end();
    },
    asking,
  );
  const elsewhere = sink.replace('127.0.0.1', 'localhost');
  const origin = await serveTls(
    t,
    pair,
    (request, response) => {
      note('origin')(request);
      response.writeHead(307, { location: `https://${elsewhere}/` }).end();
    },
    asking,
  );
  const named = origin.replace('127.0.0.1', 'localhost');
  await configure(named, { 'ca.crt': pair.cert, 'c.cert': pair.cert, 'c.key': pair.key });
  // The sink's own folder doesn't count either: nobody named it as a registry.
  await configure(elsewhere, { 'ca.crt': pair.cert, 'c.cert': pair.cert, 'c.key': pair.key });
  const { code, stderr } = await run(['inspect', `${named}/team/app:1`]);
  assert.equal(code, 12, stderr);
  assert.deepEqual([...new Set(shown)], ['origin x', 'sink nobody']);
});

test('https is never left for http, whatever is sent and whatever is switched off', {
  skip: missing('openssl'),
}, async (t) => {
  const { run, push } = await prepare(t);
  const reached: string[] = [];
  const http = await serve(t, (request, response) => {
    reached.push(request.method ?? '');
    response.end();
  });
  const sentOn: string[] = [];
  let isRead = true;
  const host = await serveTls(t, await makeCertificate(t), (request, response) => {
    request.resume().on('end', () => {
      // An upload begins where nothing is there yet.
      if (!isRead && request.method === 'HEAD') return void response.writeHead(404).end();
      sentOn.push(request.method ?? '');
      response.writeHead(307, { location: `http://${http}${request.url}` }).end();
    });
  });
  for (const flag of [`--skip-tls-verify=${host}`, `--insecure-registry=${host}`]) {
    for (const args of [['inspect', flag, `${host}/team/app:1`], push(host, flag)]) {
      isRead = args[0] === 'inspect';
      const { code, stderr } = await run(args);
      assert.equal(code, 16, stderr);
      assert.match(stderr, /sends on from https to plain http; that is refused/);
    }
  }
  assert.deepEqual(new Set(sentOn), new Set(['HEAD', 'POST']));
  assert.deepEqual(reached, []);
});

test('each insecure switch does what it says, for the host that it names', {
  skip: missing('openssl'),
}, async (t) => {
  const { run } = await prepare(t);
  const seen = { plain: 0, secure: 0 };
  const answer =
    (kind: keyof typeof seen) =>
    (_request: unknown, response: { writeHead(s: number): { end(): void } }) => {
      seen[kind]++;
      response.writeHead(404).end();
    };
  const secure = await serveTls(t, await makeCertificate(t), answer('secure'));
  const unencrypted = await serve(t, answer('plain'));
  const plainHttp = (host: string) => `--plain-http=${host}`;
  const skipVerify = (host: string) => `--skip-tls-verify=${host}`;
  const insecure = (host: string) => `--insecure-registry=${host}`;
  /** Exit 12: the server was asked. Exit 16: no request was sent. */
  const matrix: readonly (readonly [string, readonly ((host: string) => string)[], number])[] = [
    [secure, [], 16],
    [secure, [plainHttp], 16],
    [secure, [skipVerify], 12],
    [secure, [plainHttp, skipVerify], 16],
    [secure, [insecure], 12],
    [secure, [() => '--insecure-registry'], 12],
    [secure, [() => insecure('other.test')], 16],
    [secure, [() => skipVerify('other.test')], 16],
    // Loopback counts as the user's word for plain http.
    [unencrypted, [], 12],
    [unencrypted, [plainHttp], 12],
    [unencrypted, [skipVerify], 12],
    [unencrypted, [plainHttp, skipVerify], 12],
    [unencrypted, [insecure], 12],
  ];
  for (const [host, switches, wanted] of matrix) {
    const flags = switches.map((make) => make(host));
    const before = { ...seen };
    const { code, stderr } = await run(['inspect', '--retries', '0', ...flags, `${host}/app:1`]);
    assert.equal(code, wanted, `${flags.join(' ')} ${stderr}`);
    const asked = wanted === 12 ? 1 : 0;
    const kind = host === secure ? 'secure' : 'plain';
    assert.ok(seen[kind] >= before[kind] + asked, `${flags.join(' ')} did not reach the server`);
    if (asked === 0) assert.deepEqual(seen, before);
    assert.equal(
      /certificate of .* is not checked/.test(stderr),
      /skip|insecure/.test(flags.join()),
    );
    assert.equal(/spoken to without encryption/.test(stderr), /plain/.test(flags.join()));
  }
});

test('a file that holds no certificate is refused by name and not quoted', SKIP, async (t) => {
  const { run, push, configure } = await prepare(t);
  await configure(front.host, { 'ca.crt': await readFile(front.clientFiles.key, 'utf8') });
  const { code, stderr } = await run(push(front.host));
  assert.equal(code, 2, stderr);
  assert.match(stderr, /ca\.crt: it holds no certificate in PEM/);
  assert.doesNotMatch(stderr, /BEGIN/);
});
