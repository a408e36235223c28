import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import type { CredentialLookup } from '../../src/credentials/credential.ts';
import { isSlipwayError } from '../../src/errors.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { hostsFromFolders } from '../../src/registry/hosts-dir/hosts-dir.ts';
import { createRegistries } from '../../src/registry/registries.ts';
import { closedPort, serve } from '../http/servers.ts';
import { tempDir } from '../rig/lifetime.ts';
import { blobOf, manifestOf, type Piece, QUICK, readAll } from './clients.ts';
import { type FakeRegistry, type Quirk, startFakeRegistry } from './fake-registry.ts';

/** The names that have mirrors; nothing answers under them. */
const NAMES = 'names.test';

interface Scene {
  /** what a source of `names.test/team/app` gives */
  readonly source: ReturnType<ReturnType<typeof createRegistries>['source']>;
  readonly repository: ReturnType<ReturnType<typeof createRegistries>['repository']>;
  readonly warnings: () => readonly string[];
}

async function open(
  t: TestContext,
  hostsToml: string,
  credentials?: CredentialLookup,
): Promise<Scene> {
  const folder = await tempDir(t);
  await mkdir(path.join(folder, NAMES));
  await writeFile(path.join(folder, NAMES, 'hosts.toml'), hostsToml);
  const events: SlipwayEvent[] = [];
  const registries = createRegistries({
    retry: QUICK,
    emit: (event) => events.push(event),
    hosts: hostsFromFolders([folder]),
    ...(credentials && { credentials }),
  });
  t.after(() => registries.close());
  const name = parseRepository(`${NAMES}/team/app`);
  return {
    source: registries.source(name),
    repository: registries.repository(name),
    warnings: () => events.flatMap((event) => (event.type === 'warning' ? [event.message] : [])),
  };
}

/** Puts a blob, and a manifest under a tag, straight into a registry. */
async function fill(
  t: TestContext,
  { host }: FakeRegistry,
  tag: string,
  fillWith = 'x',
): Promise<{ readonly blob: Piece; readonly manifest: Piece }> {
  const registries = createRegistries({ retry: QUICK, scheme: () => 'http' });
  t.after(() => registries.close());
  const repository = registries.repository(parseRepository(`${host}/team/app`));
  const blob = blobOf(300_000, fillWith);
  const manifest = manifestOf(undefined, fillWith);
  await repository.push(blob.descriptor, blob.open);
  await repository.push(manifest.descriptor, manifest.open);
  await repository.tag(manifest.descriptor, tag, manifest.open);
  return { blob, manifest };
}

function paths({ seen }: FakeRegistry, from = 0): readonly string[] {
  return seen.slice(from).map(({ what }) => what);
}

test('tags and content come from the mirrors that may give them, in their order', async (t) => {
  const server = await startFakeRegistry(t, () => false);
  const onlyPull = await startFakeRegistry(t, () => false);
  const all = await startFakeRegistry(t, () => false);
  const { blob, manifest } = await fill(t, all, '1');
  await fill(t, onlyPull, '1');
  const before = [onlyPull.seen.length, all.seen.length];
  const { source, warnings } = await open(
    t,
    `server = "http://${server.host}"
     [host."http://${onlyPull.host}"]
     capabilities = ["pull"]
     [host."http://${all.host}"]
     capabilities = ["pull", "resolve"]`,
  );
  assert.equal((await source.resolve('1')).digest, manifest.descriptor.digest);
  assert.deepEqual(await readAll(source.fetch(manifest.descriptor)), manifest.bytes);
  assert.deepEqual(await readAll(source.fetch(blob.descriptor, { offset: 0 })), blob.bytes);
  assert.deepEqual(paths(onlyPull, before[0]), ['GET manifest', 'GET blob']);
  assert.deepEqual(paths(all, before[1]), ['HEAD manifest']);
  assert.deepEqual(server.seen, []);
  assert.deepEqual(warnings(), []);
  assert.match(all.seen.at(-1)?.path ?? '', /\/v2\/team\/app\/manifests\/1\?ns=names\.test$/);
});

test('what a mirror lacks is asked of the server, without a word', async (t) => {
  const server = await startFakeRegistry(t, () => false);
  const mirror = await startFakeRegistry(t, () => false);
  const { blob, manifest } = await fill(t, server, '1');
  const { source, warnings } = await open(
    t,
    `server = "http://${server.host}"
     [host."http://${mirror.host}"]`,
  );
  assert.equal((await source.resolve('1')).digest, manifest.descriptor.digest);
  assert.deepEqual(await readAll(source.fetch(blob.descriptor)), blob.bytes);
  assert.deepEqual(paths(mirror), ['HEAD manifest', 'GET blob']);
  assert.deepEqual(warnings(), []);
});

test('a mirror that is not there or fails is left alone after one warning', async (t) => {
  const server = await startFakeRegistry(t, () => false);
  const failing = await startFakeRegistry(t, (call) => {
    call.answer(500);
    return true;
  });
  const { blob, manifest } = await fill(t, server, '1');
  const { source, warnings } = await open(
    t,
    `server = "http://${server.host}"
     [host."http://127.0.0.1:${await closedPort()}"]
     [host."http://${failing.host}"]`,
  );
  assert.equal((await source.resolve('1')).digest, manifest.descriptor.digest);
  assert.deepEqual(await readAll(source.fetch(blob.descriptor)), blob.bytes);
  assert.equal(warnings().length, 2);
  assert.match(
    warnings()[0] ?? '',
    /^the mirror 127\.0\.0\.1:[0-9]+ is not asked any more: .*refused/,
  );
  assert.ok(failing.seen.length <= 2, 'a mirror was asked again and again');
});

test('a blob that breaks off at a mirror goes on at the server', async (t) => {
  const server = await startFakeRegistry(t, () => false);
  const { blob } = await fill(t, server, '1');
  const mirror = await serve(t, (request, response) => {
    response.writeHead(request.url?.includes('/blobs/') ? 200 : 404, {
      'content-length': String(blob.bytes.byteLength),
    });
    if (request.headers.range !== undefined) return void response.destroy();
    response.write(blob.bytes.subarray(0, 100_000), () => response.destroy());
  });
  const { source } = await open(t, `server = "http://${server.host}"\n[host."http://${mirror}"]`);
  assert.deepEqual(await readAll(source.fetch(blob.descriptor)), blob.bytes);
  const range = server.seen.at(-1)?.headers.range ?? '';
  assert.match(range, /^bytes=[1-9][0-9]*-$/, 'the server was asked for everything');
});

test('a mirror that lies is found out: what fits in memory comes from the server', async (t) => {
  const server = await startFakeRegistry(t, () => false);
  const { blob, manifest } = await fill(t, server, '1');
  const wrong: Quirk = async (call) => {
    const original = call.what === 'GET blob' ? blob.bytes : manifest.bytes;
    call.response.writeHead(200, {
      'content-type': manifest.descriptor.mediaType,
      'content-length': String(original.byteLength),
    });
    call.response.end(Buffer.from(original).fill('!', 0, 2));
    return true;
  };
  const mirror = await startFakeRegistry(t, wrong);
  const toml = `server = "http://${server.host}"\n[host."http://${mirror.host}"]\ncapabilities = ["pull"]`;
  const small = await open(t, toml);
  assert.deepEqual(await readAll(small.source.fetch(manifest.descriptor)), manifest.bytes);
  assert.match(small.warnings()[0] ?? '', /the mirror .* is not asked any more: .*sha256/);
  const large = await open(t, toml);
  await assert.rejects(readAll(large.source.fetch(blob.descriptor)), (error) => {
    assert.ok(isSlipwayError(error, 'DIGEST_MISMATCH'), String(error));
    assert.match(error.message, /^the mirror 127.* sent wrong content/);
    assert.equal(error.facts.host, mirror.host);
    return true;
  });
  // The next one who asks is not sent there again.
  assert.deepEqual(await readAll(large.source.fetch(blob.descriptor)), blob.bytes);
});

test('a mirror gets the login of its own name and its own headers, the server its', async (t) => {
  const asks =
    (realm: string): Quirk =>
    async (call) => {
      if (call.request.headers.authorization !== undefined) return false;
      await call.body();
      call.answer(401, { 'www-authenticate': `Basic realm="${realm}"` });
      return true;
    };
  const server = await startFakeRegistry(t, asks('server'));
  const mirror = await startFakeRegistry(t, asks('mirror'));
  const secrets: Record<string, string> = { [server.host]: 'for-server', [NAMES]: 'for-names' };
  const lookup: CredentialLookup = async ({ host }) =>
    secrets[host] === undefined ? undefined : { username: 'me', password: secrets[host] };
  const toml = `server = "http://${server.host}"
    [header]
    x-server = "of the server"
    [host."http://${mirror.host}"]
    [host."http://${mirror.host}".header]
    x-mirror = "of the mirror"`;
  const without = await open(t, toml, lookup);
  await assert.rejects(without.source.resolve('1'), { code: 'NOT_FOUND' });
  assert.match(
    without.warnings()[0] ?? '',
    /the mirror .* is not asked any more: .*login|not logged in/,
  );
  secrets[mirror.host] = 'for-mirror';
  const { source } = await open(t, toml, lookup);
  await assert.rejects(source.resolve('1'), { code: 'NOT_FOUND' });
  const sentTo = ({ seen }: FakeRegistry) =>
    new Set(seen.flatMap(({ headers }) => headers.authorization ?? []));
  const basic = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
  assert.deepEqual([...sentTo(mirror)], [basic('for-mirror')]);
  assert.deepEqual([...sentTo(server)], [basic('for-server')]);
  assert.ok(mirror.seen.every(({ headers }) => headers['x-mirror'] === 'of the mirror'));
  assert.ok(mirror.seen.every(({ headers }) => headers['x-server'] === undefined));
  assert.ok(server.seen.every(({ headers }) => headers['x-server'] === 'of the server'));
  assert.ok(server.seen.every(({ headers }) => headers['x-mirror'] === undefined));
});

test('a login is proved at the registry itself, and no mirror hears of it', async (t) => {
  const registry = await startFakeRegistry(t, () => false);
  const mirror = await startFakeRegistry(t, () => false);
  const folder = await tempDir(t);
  await mkdir(path.join(folder, registry.host));
  const toml = `[host."http://${mirror.host}"]`;
  await writeFile(path.join(folder, registry.host, 'hosts.toml'), toml);
  const registries = createRegistries({ retry: QUICK, hosts: hostsFromFolders([folder]) });
  t.after(() => registries.close());
  await registries
    .login(registry.host, { username: 'me', password: 'for-names' })
    .catch((error: unknown) => assert.ok(isSlipwayError(error, 'NOT_A_REGISTRY'), String(error)));
  assert.ok(registry.seen.length > 0);
  assert.deepEqual(mirror.seen, []);
});

test('headers of an endpoint do not follow a redirect to another origin', async (t) => {
  const sink = await startFakeRegistry(t, () => false);
  const { blob } = await fill(t, sink, '1');
  const before = sink.seen.length;
  const mirror = await startFakeRegistry(t, (call) => {
    call.answer(307, {
      location: `http://${sink.host}/v2/team/app/blobs/${blob.descriptor.digest}`,
    });
    return true;
  });
  const { source } = await open(
    t,
    `server = "http://${sink.host}"
     [host."http://${mirror.host}"]
     [host."http://${mirror.host}".header]
     authorization = "Bearer of-the-mirror"
     x-mirror = "of the mirror"`,
  );
  assert.deepEqual(await readAll(source.fetch(blob.descriptor)), blob.bytes);
  assert.equal(mirror.seen[0]?.headers['x-mirror'], 'of the mirror');
  assert.equal(mirror.seen[0]?.headers.authorization, 'Bearer of-the-mirror');
  const { headers = {} } = sink.seen[before] ?? {};
  assert.equal(sink.seen.length, before + 1);
  assert.equal(headers['x-mirror'], undefined);
  assert.equal(headers.authorization, undefined);
});

test('pushes go to the first host that takes them, and to no other', async (t) => {
  const [reader, writer, server] = await Promise.all([
    startFakeRegistry(t, () => false),
    startFakeRegistry(t, () => false),
    startFakeRegistry(t, () => false),
  ]);
  const blob = blobOf(1000);
  const { repository } = await open(
    t,
    `server = "http://${server.host}"
     [host."http://${reader.host}"]
     capabilities = ["pull", "resolve"]
     [host."http://${writer.host}"]
     capabilities = ["push"]`,
  );
  await repository.push(blob.descriptor, blob.open);
  assert.deepEqual([reader.seen.length, server.seen.length], [0, 0]);
  assert.ok(paths(writer).includes('POST upload'));
  const nobody = await open(
    t,
    `server = "http://${server.host}"
     capabilities = ["pull"]
     [host."http://${reader.host}"]
     capabilities = ["pull", "resolve"]`,
  );
  await assert.rejects(nobody.repository.push(blob.descriptor, blob.open), {
    code: 'CONFIG_INVALID',
    message: /no host takes pushes for names\.test/,
  });
  assert.ok([...reader.seen, ...server.seen].every(({ what }) => /^(?:GET|HEAD) /.test(what)));
});

test('a mirror may keep its API elsewhere than under /v2', async (t) => {
  const asked: string[] = [];
  const mirror = await serve(t, (request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(404).end();
  });
  const { source } = await open(
    t,
    `server = "http://127.0.0.1:${await closedPort()}"
     [host."http://${mirror}/api/docker"]
     [host."http://${mirror}/whole"]
     override_path = true`,
  );
  await assert.rejects(source.resolve('1'), { code: 'NETWORK' });
  assert.deepEqual(
    [...new Set(asked)],
    [
      '/api/docker/v2/team/app/manifests/1?ns=names.test',
      '/whole/team/app/manifests/1?ns=names.test',
    ],
  );
});

test('the pages of a list are found where the API is, and nowhere else', async (t) => {
  let pages: readonly string[] = [];
  const asked: string[] = [];
  const server = await serve(t, (request, response) => {
    asked.push(request.url ?? '');
    const [link] = pages.slice(asked.length - 1);
    if (link !== undefined) response.setHeader('link', `<${link}>; rel="next"`);
    response.end(JSON.stringify({ name: 'team/app', tags: [`tag${asked.length}`] }));
  });
  const { repository } = await open(t, `server = "http://${server}/api/docker"`);
  const tags = async (): Promise<string[]> => {
    asked.length = 0;
    const found = [];
    for await (const tag of repository.list()) found.push(tag);
    return found;
  };
  pages = ['/api/docker/v2/team/app/tags/list?last=tag1'];
  assert.deepEqual(await tags(), ['tag1', 'tag2']);
  pages = ['/v2/team/app/tags/list?last=tag1'];
  await assert.rejects(tags(), { code: 'NOT_A_REGISTRY' });
  assert.equal(asked.length, 1);
});

test('what a registry holds is asked of the registry itself, whatever its mirrors say', async (t) => {
  const server = await startFakeRegistry(t, () => false);
  const mirror = await startFakeRegistry(t, () => false);
  await fill(t, mirror, '1');
  const before = mirror.seen.length;
  const { repository } = await open(
    t,
    `server = "http://${server.host}"
     [host."http://${mirror.host}"]
     capabilities = ["pull", "resolve"]`,
  );
  await assert.rejects(repository.resolve('1'), { code: 'NOT_FOUND' });
  assert.equal(mirror.seen.length, before);
});
