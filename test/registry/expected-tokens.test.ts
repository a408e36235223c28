import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parseRepository } from '../../src/oci/reference.ts';
import { createRegistries } from '../../src/registry/registries.ts';
import { atEnd } from '../rig/lifetime.ts';
import { blobOf, QUICK } from './clients.ts';
import { type Quirk, startFakeRegistry } from './fake-registry.ts';
import { type TokenServiceOptions, tokenService } from './token-service.ts';

const NAMES = ['team/a', 'team/b', 'team/c'];

/** Pushes a blob to each of three repositories that were announced. */
async function pushToAll(t: TestContext, options: TokenServiceOptions = {}) {
  const service = tokenService(options);
  const registry = await startFakeRegistry(t, service.quirk);
  const registries = createRegistries({ retry: QUICK, scheme: () => 'http' });
  atEnd(t, () => registries.close());
  const names = NAMES.map((path) => parseRepository(`${registry.host}/${path}`));
  for (const name of names) registries.expect(name);
  const repositories = names.map((name) => registries.repository(name));
  for (const [index, repository] of repositories.entries()) {
    const { descriptor, open } = blobOf(100, String(index));
    await repository.push(descriptor, open, { mountFrom: NAMES.slice(0, 1) });
  }
  assert.equal(registry.blobs.size, 3);
  return service.asked.map(({ query }) => query.getAll('scope').length);
}

test('one token is fetched for all repositories of a run, mounts included', async (t) => {
  assert.deepEqual(await pushToAll(t), [3]);
});

test('a service that refuses several scopes is asked for each, once it has said so', async (t) => {
  const asked = await pushToAll(t, {
    quirk: (call, { query }) => {
      if (query.getAll('scope').length === 1) return false;
      call.answer(400);
      return true;
    },
  });
  assert.deepEqual(asked.slice(0, 2), [3, 1]);
  assert.ok(asked.slice(1).every((scopes) => scopes <= 2));
});

test('a service that looks at the first scope only is found out', async (t) => {
  const tokens = new Map<string, string>();
  const quirk: Quirk = (call) => {
    if (call.url.pathname === '/token') {
      const [scope = ''] = call.url.searchParams.getAll('scope');
      const token = `token-${tokens.size}`;
      tokens.set(token, scope.split(':')[1] ?? '');
      call.answer(200, {}, { token, expires_in: 300 });
      return true;
    }
    const path = /^\/v2\/(team\/.)\//.exec(call.url.pathname)?.[1];
    const sent = (call.request.headers.authorization ?? '').replace('Bearer ', '');
    if (tokens.get(sent) === path) return false;
    const challenge = `Bearer realm="http://${call.url.host}/token",service="x",scope="repository:${path}:pull,push"`;
    call.answer(401, { 'www-authenticate': challenge });
    return true;
  };
  const registry = await startFakeRegistry(t, quirk);
  const registries = createRegistries({ retry: QUICK, scheme: () => 'http' });
  atEnd(t, () => registries.close());
  const names = NAMES.map((path) => parseRepository(`${registry.host}/${path}`));
  for (const name of names) registries.expect(name);
  for (const [index, name] of names.entries()) {
    const { descriptor, open } = blobOf(100, String(index));
    await registries.repository(name).push(descriptor, open);
  }
  assert.equal(registry.blobs.size, 3);
});

test('a wrong password is tried once', async (t) => {
  const service = tokenService({ password: 'right' });
  const registry = await startFakeRegistry(t, service.quirk);
  const registries = createRegistries({
    retry: QUICK,
    scheme: () => 'http',
    credentials: async () => ({ username: 'user', password: 'wrong' }),
  });
  atEnd(t, () => registries.close());
  const names = NAMES.map((path) => parseRepository(`${registry.host}/${path}`));
  for (const name of names) registries.expect(name);
  const { descriptor, open } = blobOf(100);
  const [name] = names;
  assert.ok(name !== undefined);
  await assert.rejects(registries.repository(name).push(descriptor, open), {
    code: 'AUTH_REQUIRED',
  });
  assert.equal(service.asked.length, 1);
});

test('no long body is begun with a token that is about to run out, no short one costs a renewal', async (t) => {
  // Renewed at 60 % of its life, at 60 s, if it weren't for the long body.
  const service = tokenService({ expiresInSeconds: 91, lifeMs: 60_000 });
  const registry = await startFakeRegistry(t, service.quirk);
  const registries = createRegistries({ retry: QUICK, scheme: () => 'http' });
  atEnd(t, () => registries.close());
  const repository = registries.repository(parseRepository(`${registry.host}/team/app`));
  const small = blobOf(100);
  await repository.push(small.descriptor, small.open);
  await delay(1_100);
  const other = blobOf(200);
  await repository.push(other.descriptor, other.open);
  assert.equal(service.asked.length, 1);
  const long = blobOf(2_000_000);
  await repository.push(long.descriptor, long.open);
  assert.equal(service.asked.length, 2);
});

test('a login for a part of the registry asks for nothing of another’s', async (t) => {
  const service = tokenService({
    quirk: (call, { query, authorization = '' }) => {
      const [user = ''] = Buffer.from(authorization.slice(6), 'base64').toString().split(':');
      const isOwn = query.getAll('scope').every((scope) => scope.startsWith(`repository:${user}:`));
      if (!isOwn) call.answer(401);
      return !isOwn;
    },
  });
  const registry = await startFakeRegistry(t, service.quirk);
  const registries = createRegistries({
    retry: QUICK,
    scheme: () => 'http',
    credentials: async ({ host, path }) => ({
      username: path,
      password: 'x',
      scope: `${host}/${path}`,
    }),
  });
  atEnd(t, () => registries.close());
  const names = NAMES.map((path) => parseRepository(`${registry.host}/${path}`));
  for (const name of names) registries.expect(name);
  for (const [index, name] of names.entries()) {
    const { descriptor, open } = blobOf(100, String(index));
    await registries.repository(name).push(descriptor, open);
  }
  assert.equal(registry.blobs.size, 3);
});
