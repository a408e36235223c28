import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { run } from '../rig/programs.ts';
import { assertPrompt } from '../rig/promptly.ts';
import { blobOf, connect } from './clients.ts';
import { startFakeRegistry } from './fake-registry.ts';

/** A server whose answers never end. */
async function startEndless(t: TestContext, status: number, begin: string): Promise<string> {
  const filler = Buffer.alloc(256 * 1024, 'x');
  const server = createServer((request, response) => {
    response.on('error', () => {});
    if (request.method === 'HEAD') return void response.writeHead(405).end();
    if (request.url?.startsWith('/token') !== true && begin === 'token') {
      const challenge = `Bearer realm="http://${request.headers.host}/token"`;
      return void response.writeHead(401, { 'www-authenticate': challenge }).end();
    }
    response.writeHead(begin === 'token' ? 200 : status, { 'content-type': 'application/json' });
    response.write(begin === 'token' ? '{"token":"' : begin);
    const more = () => response.writable && response.write(filler, more);
    more();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Runs a piece of a program in a process of its own, to see how much memory it takes. */
async function memoryOf(
  host: string,
  work: string,
): Promise<{ code: string; maxRssBytes: number; tookMs: number }> {
  const source = new URL('../../src/index.ts', import.meta.url).href;
  const program = `
    const { createRegistries, parseRepository, describe } = await import(${JSON.stringify(source)});
    const registries = createRegistries({ scheme: () => 'http' });
    const repository = registries.repository(parseRepository('${host}/team/app'));
    const bytes = Buffer.alloc(100);
    const blob = describe(bytes, 'application/vnd.oci.image.layer.v1.tar');
    const startedAt = performance.now();
    let code = 'none';
    try { ${work} } catch (error) { code = error.code; }
    const tookMs = performance.now() - startedAt;
    await registries.close();
    const { maxRSS } = process.resourceUsage();
    process.stdout.write(JSON.stringify({ code, maxRssBytes: maxRSS * 1024, tookMs }));
  `;
  const { stdout, stderr, code } = await run(process.execPath, [
    '--input-type=module',
    '-e',
    program,
  ]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const CASES: Readonly<Record<string, readonly [status: number, begin: string, work: string]>> = {
  'an error': [400, '{"errors":[{"code":"', 'await repository.resolve("v1")'],
  'an error that could be waited out': [503, '', 'await repository.resolve("v1")'],
  'a refusal of an upload': [
    403,
    '',
    'await repository.push(blob, async function* () { yield bytes })',
  ],
  'a manifest': [200, '{"schemaVersion":2,"x":"', 'await repository.resolve("v1")'],
  'a list of tags': [200, '{"tags":["', 'for await (const tag of repository.list());'],
  'a token': [200, 'token', 'await repository.resolve("v1")'],
};

for (const [what, [status, begin, work]] of Object.entries(CASES)) {
  test(`${what} that never ends is cut off, at once and in little memory`, async (t) => {
    const host = await startEndless(t, status, begin);
    const { code, maxRssBytes, tookMs } = await memoryOf(host, work);
    assert.equal(code, 'LIMIT_EXCEEDED');
    await assertPrompt(tookMs, 2_000);
    assert.ok(maxRssBytes < 200e6, `it took ${maxRssBytes} bytes`);
  });
}

test('documents are read up to their caps', async (t) => {
  const MiB = 1024 * 1024;
  const tagsOf = (sizeBytes: number) =>
    Buffer.concat([Buffer.from('{"tags":["a"]}'), Buffer.alloc(sizeBytes - 14, ' ')]);
  for (const [sizeBytes, isAllowed] of [
    [4 * MiB, true],
    [4 * MiB + 1, false],
  ] as const) {
    const registry = await startFakeRegistry(t, (call) => {
      call.answer(200, { 'content-type': 'application/json' }, tagsOf(sizeBytes));
      return true;
    });
    const { repository } = connect(t, registry.host);
    const read = async () => {
      const tags: string[] = [];
      for await (const tag of repository.list()) tags.push(tag);
      return tags;
    };
    if (isAllowed) assert.deepEqual(await read(), ['a']);
    else await assert.rejects(read(), { code: 'LIMIT_EXCEEDED' });
  }
});

test('a list of tags has a thousand pages at most', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    call.answer(
      200,
      { link: `</v2/team/app/tags/list?last=${call.nth}>; rel="next"` },
      { tags: [`t${call.nth}`] },
    );
    return true;
  });
  const { repository } = connect(t, registry.host);
  let count = 0;
  const read = async () => {
    for await (const _ of repository.list()) count++;
  };
  await assert.rejects(read(), { code: 'LIMIT_EXCEEDED' });
  assert.equal(count, 1_000);
});

test('a blob of any size is pushed in little memory', async (t) => {
  let received = 0;
  const server = createServer(async (request, response) => {
    if (request.method === 'HEAD') return void response.writeHead(404).end();
    for await (const chunk of request) received += chunk.length;
    if (request.method === 'POST')
      response.writeHead(202, { location: '/v2/team/app/blobs/uploads/1' });
    else response.writeHead(201);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sizeBytes = 512 * 1024 * 1024;
  const { code, maxRssBytes } = await memoryOf(
    host,
    `const { createHash } = await import('node:crypto');
     const chunk = () => Buffer.allocUnsafeSlow(262144).fill(1);
     const hash = createHash('sha256');
     for (let at = 0; at < ${sizeBytes}; at += 262144) hash.update(chunk());
     const digest = 'sha256:' + hash.digest('hex');
     const open = async function* (offset) {
       for (let at = offset; at < ${sizeBytes}; at += 262144) yield chunk();
     };
     await repository.push({ ...blob, digest, size: ${sizeBytes} }, open);`,
  );
  assert.equal(code, 'none');
  assert.equal(received, sizeBytes);
  assert.ok(maxRssBytes < 250e6, `it took ${maxRssBytes} bytes`);
});

test('an answer to an error that drips does not hold a push', async (t) => {
  const server = createServer((request, response) => {
    if (request.method === 'HEAD') return void response.writeHead(404).end();
    response.writeHead(403, { 'content-type': 'application/json' });
    const timer = setInterval(() => response.write(' '), 50);
    response.on('close', () => clearInterval(timer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { repository } = connect(t, `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const { descriptor, open } = blobOf(10);
  await assert.rejects(repository.push(descriptor, open), { code: 'DENIED' });
});
