import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { apiEngine } from '../../src/build/engines/api.ts';
import type { CredentialLookup } from '../../src/credentials/credential.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { mustRun } from '../rig/programs.ts';
import { optionsFor, requestFor } from './request.ts';

interface Seen {
  readonly query: URLSearchParams;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

type Answer = (response: http.ServerResponse) => void;

/**
 * A server on a socket that takes builds as Docker does, and answers as a test wants. The engine
 * that speaks to it looks at `DOCKER_HOST`.
 */
async function fakeDocker(owner: Owner, answer: Answer): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  const socket = path.join(await tempDir(owner), 's');
  const server = http.createServer(async (request, response) => {
    const url = new URL(request.url ?? '', 'http://docker');
    if (url.pathname === '/_ping') {
      response.end('OK');
      return;
    }
    if (url.pathname === '/version') {
      response.end(
        JSON.stringify({ Version: '1', ApiVersion: '1.41', Os: 'linux', Arch: 'amd64' }),
      );
      return;
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { headers } = request;
    seen.push({ query: url.searchParams, headers, body: Buffer.concat(chunks) });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const before = process.env.DOCKER_HOST;
  process.env.DOCKER_HOST = `unix://${socket}`;
  atEnd(owner, async () => {
    if (before === undefined) delete process.env.DOCKER_HOST;
    else process.env.DOCKER_HOST = before;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return seen;
}

/** A password for every registry there is. */
const known: CredentialLookup = async ({ host }) => ({ username: 'me', password: `of ${host}` });

const failing: Answer = (response) => {
  response.write('{"stream":"Step 1/1 : FROM scratch\\n"}\n');
  response.end('{"errorDetail":{"code":3,"message":"it \\u001b[31mfailed"},"error":"it failed"}\n');
};

test('passwords go along for the registries of the Dockerfile, and of no others', async (t) => {
  const seen = await fakeDocker(t, failing);
  const request = requestFor(
    [
      'ARG HOST=default.example',
      'ARG GIVEN',
      'FROM $HOST/one AS first',
      'FROM first AS second',
      'COPY --from=copied.example:5000/two /a /b',
      'COPY --from=second /a /b',
      'FROM $GIVEN/three',
      'FROM scratch',
      'FROM debian',
      '# FROM commented.example/four',
      '',
    ].join('\n'),
    { args: [{ name: 'GIVEN', value: 'given.example', isFromEnvironment: false }] },
  );
  await assert.rejects(apiEngine('docker', known).build(request, await optionsFor(t)));
  const header = String(seen[0]?.headers['x-registry-config']);
  const sent = JSON.parse(Buffer.from(header, 'base64url').toString());
  assert.deepEqual(Object.keys(sent).toSorted(), [
    'copied.example:5000',
    'default.example',
    'given.example',
    'https://index.docker.io/v1/',
  ]);
  assert.deepEqual(sent['given.example'], { username: 'me', password: 'of given.example' });
});

test('the context that is sent holds what the ignore file leaves, as it is', async (t) => {
  const seen = await fakeDocker(t, failing);
  const folder = await tempDir(t);
  await mkdir(path.join(folder, 'sub'));
  await writeFile(path.join(folder, 'sub/run'), 'x', { mode: 0o755 });
  await writeFile(path.join(folder, 'sub/.key'), 'not sent');
  await symlink('sub/run', path.join(folder, 'link'));
  const ignore = Buffer.from('**/.key\n');
  const request = requestFor('', {
    context: { kind: 'folder', path: folder },
    dockerfile: { name: 'D', bytes: Buffer.from('FROM scratch\n'), ignore },
  });
  await assert.rejects(apiEngine('docker', known).build(request, await optionsFor(t)));
  const tar = path.join(await tempDir(t), 'sent.tar');
  await writeFile(tar, seen[0]?.body ?? '');
  const name = seen[0]?.query.get('dockerfile') ?? '';
  assert.equal(await mustRun('tar', ['-xOf', tar, name]), 'FROM scratch');
  const list = (await mustRun('tar', ['-tvf', tar, '--numeric-owner'])).split('\n');
  const shown = list.map((line) => line.replace(/^(\S+) +(\S+).* (?:\d\d:\d\d) /, '$1 $2 '));
  assert.deepEqual(shown.toSorted(), [
    '-rw-r--r-- 0/0 .slipway.dockerfile',
    '-rwxr-xr-x 0/0 sub/run',
    'drwxr-xr-x 0/0 sub/',
    'lrwxrwxrwx 0/0 link -> sub/run',
  ]);
});

for (const { what, answer, code, message } of [
  {
    what: 'a step that failed',
    answer: failing,
    code: 'COMMAND_FAILED',
    message: /^the build failed: it \[31mfailed$/,
  },
  {
    what: 'a Dockerfile that it can’t read',
    answer: (response: http.ServerResponse) => {
      response.statusCode = 400;
      response.end('{"message":"dockerfile parse error line 1: unknown instruction: X"}');
    },
    code: 'CONFIG_INVALID',
    message: /unknown instruction/,
  },
  {
    what: 'an engine that dies in the middle',
    answer: (response: http.ServerResponse) => {
      response.write('{"stream":"Step 1/2"}\n', () => response.destroy());
    },
    code: 'COMMAND_FAILED',
    message: /ended in the middle of the build/,
  },
  {
    what: 'an engine that ends without an image',
    answer: (response: http.ServerResponse) => response.end('{"stream":"Step 1/2"}\n'),
    code: 'COMMAND_FAILED',
    message: /ended the build without an image/,
  },
  {
    what: 'an engine that tells no JSON',
    answer: (response: http.ServerResponse) => response.end('<html>\n'),
    code: 'SERVER_ERROR',
    message: /in no known way/,
  },
  {
    what: 'a message without end',
    answer: (response: http.ServerResponse) => {
      const chunk = Buffer.alloc(1024 * 1024, 'x');
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        response.once('drain', more);
      };
      more();
    },
    code: 'LIMIT_EXCEEDED',
    message: /message without end/,
  },
]) {
  test(`${what} is told as that`, async (t) => {
    await fakeDocker(t, answer);
    const building = apiEngine('docker', known).build(
      requestFor('FROM scratch\n'),
      await optionsFor(t),
    );
    await assert.rejects(building, { code, message });
  });
}

test('what the API has no words for is refused before anything is built', async (t) => {
  const seen = await fakeDocker(t, failing);
  const docker = apiEngine('docker', known);
  for (const more of [
    { secrets: [{ id: 's', file: '/x' }] },
    { ssh: ['default'] },
    { cacheTo: ['type=registry,ref=x'] },
    { cacheFrom: ['type=registry,ref=x'] },
  ]) {
    const found = await docker.probe(requestFor('FROM scratch\n', more));
    assert.equal(found.can, false);
  }
  assert.deepEqual(await docker.probe(requestFor('FROM scratch\n')), { can: true, version: '1' });
  assert.equal(seen.length, 0);
});
