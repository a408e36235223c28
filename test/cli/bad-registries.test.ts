import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { test } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { startTlsFront } from '../rig/tls-front.ts';
import { expectFailure } from './failure.ts';
import { prepare } from './scene.ts';

/** A server on loopback that is no good registry. */
async function serve(owner: Owner, answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const answering =
  (
    status: number,
    type: string,
    body: string,
    headers: Record<string, string> = {},
  ): RequestListener =>
  (request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(body);
  };

const errors = (code: string, message: string) => JSON.stringify({ errors: [{ code, message }] });

for (const { what, answer, code, says } of [
  {
    what: 'an HTML page',
    answer: answering(200, 'text/html', '<h1>It works!</h1>', { server: 'Apache' }),
    code: 16,
    says: /does not look like a registry/,
  },
  {
    what: 'an HTML page with 404',
    answer: answering(404, 'text/html', '<h1>Not Found</h1>'),
    code: 16,
    says: /does not look like a registry/,
  },
  {
    what: '401',
    answer: answering(401, 'application/json', errors('UNAUTHORIZED', 'who are you')),
    code: 10,
    says: /answered 401[\s\S]*hint: .*login/,
  },
  {
    what: '403',
    answer: answering(403, 'application/json', errors('DENIED', 'not you')),
    code: 11,
    says: /not you[\s\S]*hint: /,
  },
  {
    what: '429',
    answer: answering(429, 'application/json', errors('TOOMANYREQUESTS', 'slower')),
    code: 13,
    says: /answered 429/,
  },
  {
    what: '500',
    answer: answering(500, 'application/json', errors('UNKNOWN', 'broken')),
    code: 16,
    says: /answered 500/,
  },
  {
    what: 'an error that wants to rule the terminal',
    answer: answering(
      403,
      'application/json',
      errors('DENIED', '\u001b[2J::error::x\n##vso[task.complete]\u202e'),
    ),
    code: 11,
    says: /DENIED/,
  },
] as const) {
  test(`a registry that answers with ${what}`, async (t) => {
    const { run, archive } = await prepare(t);
    const host = await serve(t, answer);
    for (const args of [
      ['push', '--from', `docker-archive:${archive}`, `${host}/app:1`],
      ['pull', `${host}/app:1`],
      ['ls', `${host}/app`],
      ['verify', `${host}/app:1`],
    ]) {
      const result = await run([...args, '--retries', '0']);
      expectFailure(result, { code, says });
      assert.doesNotMatch(
        result.stderr,
        /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]|^\s*::|##vso\[/m,
      );
      assert.match(result.stderr, new RegExp(host.replaceAll('.', '\\.')));
    }
  });
}

test('a host that does not exist, one that refuses, and what is no HTTP server', async (t) => {
  const { run, archive } = await prepare(t);
  const chatter = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.end('220 mail.example ESMTP\r\n');
    socket.resume();
  });
  await new Promise<void>((resolve) => chatter.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => new Promise((resolve) => chatter.close(() => resolve())));
  const noHttp = `127.0.0.1:${(chatter.address() as AddressInfo).port}`;
  const flags = ['--retries', '0'];
  for (const [host, says, more] of [
    ['registry.invalid', /no such host: registry\.invalid|can't be looked up/, []],
    ['127.0.0.1:1', /127\.0\.0\.1:1 refused the connection/, []],
    [noHttp, /is no HTTP server|cut the connection/, []],
    [noHttp, /is no HTTP server|cut the connection/, ['--plain-http', noHttp]],
  ] as const) {
    const push = [
      'push',
      ...flags,
      ...more,
      '--from',
      `docker-archive:${archive}`,
      `${host}/app:1`,
    ];
    expectFailure(await run(push), { code: 16, says, side: 'destination' });
    expectFailure(await run(['pull', ...flags, ...more, `${host}/app:1`]), {
      code: 16,
      says,
      side: 'source',
    });
  }
});

test('image, tag and repository that are not there are 12, with a hint', async (t) => {
  const { run, must, host, archive } = await prepare(t);
  await must(['push', '-q', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
  for (const args of [
    ['pull', `${host}/app:2`],
    ['pull', `${host}/nosuch:1`],
    ['inspect', `${host}/app:2`],
    ['verify', `${host}/app@sha256:${'0'.repeat(64)}`],
    ['ls', `${host}/nosuch`],
    ['copy', `docker://${host}/app:2`, 'app:1'],
    ['push', 'nosuch:1'],
    ['save', '-o', '/dev/null', 'nosuch:1'],
    ['tag', 'nosuch:1', 'other:1'],
    ['rmi', 'nosuch:1'],
    ['image', 'inspect', 'nosuch:1'],
    ['image', 'history', 'nosuch:1'],
  ]) {
    expectFailure(await run(args), { code: 12, says: /hint: / });
  }
});

test('plain http on a host that wants TLS, TLS on a plain one, and an unknown authority', {
  skip: missing('nginx', 'openssl', 'docker-registry'),
}, async (t) => {
  const { run, archive } = await prepare(t);
  const { host: plain } = await startDockerRegistry(t);
  const { host: tls } = await startTlsFront(t, plain);
  const push = (host: string, ...flags: string[]) =>
    run([
      'push',
      '--retries',
      '0',
      ...flags,
      '--from',
      `docker-archive:${archive}`,
      `${host}/app:1`,
    ]);
  expectFailure(await push(tls), {
    code: 16,
    says: /certificate of .* isn't trusted[\s\S]*hint: /,
  });
  expectFailure(await push(tls, '--plain-http', tls), { code: 16, says: /slipway: / });
  const [, port] = plain.split(':');
  // A name that is not loopback by its letters gets no plain http by itself.
  const named = await run([
    'push',
    '--retries',
    '0',
    '--skip-tls-verify',
    plain,
    '--from',
    `docker-archive:${archive}`,
    `127.0.0.1:${port}/app:1`,
  ]);
  assert.equal(named.code, 0, named.stderr);
  for (const flag of [
    '--insecure-registry',
    `--insecure-registry=${tls}`,
    `--skip-tls-verify=${tls}`,
  ]) {
    const accepted = await push(tls, flag);
    assert.equal(accepted.code, 0, accepted.stderr);
    assert.match(accepted.stderr, /warning: the certificate of .* is not checked/);
  }
});
