import assert from 'node:assert/strict';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { connectEngine, type Engine } from '../../src/engine/client.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';

const VERSION = { Version: '7', ApiVersion: '1.41', Os: 'linux', Arch: 'aarch64' };
const PODMAN = { 'Libpod-API-Version': '4.3.1', 'API-Version': '1.41' };

/** A server that answers a ping with these headers. Gives its `DOCKER_HOST`. */
async function serve(
  owner: Owner,
  ping: Readonly<Record<string, string>>,
  status = 200,
): Promise<{ readonly address: string; readonly asked: readonly string[] }> {
  const asked: string[] = [];
  const socket = path.join(await tempDir(owner), 's');
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/_ping') response.writeHead(status, ping).end('OK');
    else response.end(JSON.stringify(VERSION));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  atEnd(owner, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { address: `unix://${socket}`, asked };
}

async function connect(owner: Owner, address: string): Promise<Engine> {
  const engine = await connectEngine({ env: { DOCKER_HOST: address } });
  atEnd(owner, () => engine.close());
  return engine;
}

test('Podman is known by a ping, and asked for its platform when somebody needs it', async (t) => {
  const { address, asked } = await serve(t, PODMAN);
  const engine = await connect(t, address);
  const { product, version, apiVersion } = engine;
  assert.deepEqual([product, version, apiVersion, asked], ['podman', '4.3.1', '1.41', ['/_ping']]);
  assert.equal((await engine.platform()).architecture, 'arm64');
  assert.deepEqual(asked, ['/_ping', '/v1.41/version']);
});

for (const [what, ping, status] of [
  ['is no Podman', { 'API-Version': '1.41' }, 200],
  ['lets nobody ping', PODMAN, 403],
  ['says no version of its API', { ...PODMAN, 'API-Version': 'new' }, 200],
] as const) {
  test(`an engine that ${what} is asked what it is`, async (t) => {
    const { address, asked } = await serve(t, ping, status);
    const engine = await connect(t, address);
    assert.deepEqual([engine.product, engine.version], ['docker', '7']);
    assert.equal((await engine.platform()).architecture, 'arm64');
    assert.deepEqual(asked, ['/_ping', '/version']);
  });
}

test('a Podman that is too old is told as that', async (t) => {
  const { address } = await serve(t, { ...PODMAN, 'API-Version': '1.24' });
  await assert.rejects(connect(t, address), /is too old: its API is 1\.24/);
});
