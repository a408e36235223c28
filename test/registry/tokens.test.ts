import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Credential } from '../../src/credentials/credential.ts';
import { SlipwayError } from '../../src/errors.ts';
import type { RegistriesOptions } from '../../src/registry/registries.ts';
import { serveRaw } from '../http/servers.ts';
import { assertPrompt } from '../rig/promptly.ts';
import { blobOf, connect, manifestOf } from './clients.ts';
import { errors, type Quirk, startFakeRegistry } from './fake-registry.ts';
import { type TokenServiceOptions, tokenService } from './token-service.ts';

const USER: Credential = { username: 'user', password: 'pass word:ü' };

async function start(
  t: TestContext,
  options: TokenServiceOptions = {},
  credential?: Credential,
  more: { quirk?: Quirk; client?: RegistriesOptions } = {},
) {
  const service = tokenService(options, more.quirk);
  const registry = await startFakeRegistry(t, service.quirk);
  const client = connect(t, registry.host, {
    ...(credential === undefined ? {} : { credentials: async () => credential }),
    ...more.client,
  });
  return { service, registry, ...client };
}

test('a registry that wants a token gets one, also without a login', async (t) => {
  const { service, registry, repository } = await start(t);
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open);
  assert.equal(registry.blobs.size, 1);
  const [request] = service.asked;
  assert.equal(service.asked.length, 1);
  assert.deepEqual(
    [
      request?.method,
      request?.authorization,
      request?.query.get('service'),
      request?.query.getAll('scope'),
    ],
    ['GET', undefined, 'test', ['repository:team/app:pull,push']],
  );
});

test('a login is told to the token service, and only there', async (t) => {
  const { service, registry, repository } = await start(t, { password: USER.password }, USER);
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open);
  const basic = `Basic ${Buffer.from(`user:${USER.password}`).toString('base64')}`;
  assert.equal(service.asked[0]?.authorization, basic);
  assert.equal(service.asked[0]?.query.get('account'), 'user');
  for (const { path, headers } of registry.seen) {
    if (!path.startsWith('/token')) assert.doesNotMatch(headers.authorization ?? '', /Basic/);
  }
});

test('an identity token is sent by POST, in the body', async (t) => {
  const credential = { username: '', password: '', identityToken: 'refresh me' };
  const options = { password: 'refresh me', field: 'access_token' } as const;
  const { service, registry, repository } = await start(t, options, credential);
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open);
  const [request] = service.asked;
  assert.deepEqual(
    [
      request?.method,
      request?.form.get('grant_type'),
      request?.form.get('scope'),
      request?.authorization,
    ],
    ['POST', 'refresh_token', 'repository:team/app:pull,push', undefined],
  );
  assert.ok(registry.seen.every(({ path }) => !path.includes('refresh')));
});

test('a registry token is sent as it is, and not again when it is refused', async (t) => {
  const credential = { username: '', password: '', registryToken: 'as-it-is' };
  const { service, registry, repository } = await start(t, {}, credential);
  const { descriptor, open } = blobOf(100);
  await assert.rejects(repository.push(descriptor, open), { code: 'AUTH_REQUIRED' });
  assert.deepEqual(
    registry.seen.map(({ headers }) => headers.authorization),
    [undefined, 'Bearer as-it-is'],
  );
  assert.equal(service.asked.length, 0);
});

test('requests that begin together fetch one token', async (t) => {
  const quirk = async () => {
    await delay(50);
    return false;
  };
  const { service, registry, repository } = await start(t, { quirk });
  const blobs = Array.from({ length: 8 }, (_, index) => blobOf(100, String(index)));
  await Promise.all(blobs.map(({ descriptor, open }) => repository.push(descriptor, open)));
  assert.equal(registry.blobs.size, 8);
  assert.equal(service.asked.length, 1);
});

test('a token is renewed before it runs out, once for all', async (t) => {
  // Said to be good for longer than all of this takes, but for the wait in its middle.
  const { service, repository } = await start(t, { expiresInSeconds: 5 });
  const push = async (fill: string) => {
    const { descriptor, open } = blobOf(100, fill);
    await repository.push(descriptor, open);
  };
  await push('a');
  assert.equal(service.asked.length, 1);
  await delay(3_200);
  await Promise.all(['b', 'c', 'd', 'e'].map(push));
  assert.equal(service.asked.length, 2);
});

test('a token that runs out in the middle of a run is renewed once', async (t) => {
  const { service, registry, repository } = await start(t);
  await repository.push(blobOf(100).descriptor, blobOf(100).open);
  service.revokeAll();
  const blobs = Array.from({ length: 6 }, (_, index) => blobOf(100, String(index)));
  await Promise.all(blobs.map(({ descriptor, open }) => repository.push(descriptor, open)));
  assert.equal(registry.blobs.size, 7);
  assert.equal(service.asked.length, 2);
});

test('tokens that are good for three requests suffice', async (t) => {
  const { service, registry, repository } = await start(t, { uses: 3 });
  for (const fill of ['a', 'b', 'c', 'd']) {
    const { descriptor, open } = blobOf(100, fill);
    await repository.push(descriptor, open);
  }
  assert.equal(registry.blobs.size, 4);
  assert.equal(service.asked.length, 4);
});

test('a token that runs out while a blob is being sent is renewed, and the blob sent again', async (t) => {
  let refused = 0;
  const quirk: Quirk = async (call) => {
    if (call.what !== 'PUT upload' || refused++ > 0) return false;
    await call.body();
    call.answer(401, {
      'www-authenticate': `Bearer realm="http://${call.url.host}/token",error="invalid_token"`,
    });
    return true;
  };
  const { service, registry, repository } = await start(t, {}, undefined, { quirk });
  const { descriptor, open, bytes } = blobOf(300_000);
  const outcome = await repository.push(descriptor, open);
  assert.deepEqual(registry.blobs.get(descriptor.digest), bytes);
  assert.equal(outcome.bytesSent, 600_000);
  assert.equal(service.asked.length, 2);
});

test('a mount asks for both repositories in one token', async (t) => {
  const { service, registry, repository } = await start(t);
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open, { mountFrom: ['other/app'] });
  assert.equal(registry.blobs.size, 1);
  assert.deepEqual(
    service.asked.map(({ query }) => query.getAll('scope').sort()),
    [
      ['repository:team/app:pull,push'],
      ['repository:other/app:pull', 'repository:team/app:pull,push'],
    ],
  );
});

for (const [how, options] of [
  ['by the service', { refuses: (scope: string) => scope.includes('other/app') }],
  [
    'with a failure of the service',
    {
      quirk: (call, { query }) => {
        if (!query.getAll('scope').join().includes('other/app')) return false;
        call.answer(500);
        return true;
      },
    } satisfies TokenServiceOptions,
  ],
] as const) {
  test(`a mount whose token is refused ${how} becomes an upload`, async (t) => {
    const { registry, repository } = await start(t, options);
    const { descriptor, open } = blobOf(100);
    const outcome = await repository.push(descriptor, open, { mountFrom: ['other/app'] });
    assert.equal(outcome.status, 'uploaded');
    assert.equal(registry.blobs.size, 1);
  });
}

test('what the challenge asks for is asked for, first', async (t) => {
  const { registry, repository, service } = await start(t, {}, undefined, {
    quirk: (call) => {
      const isGranted = service.asked.at(-1)?.query.getAll('scope').includes('extra:thing:do');
      if (isGranted === true) return false;
      const realm = `http://${call.url.host}/token`;
      const challenge = `Bearer realm="${realm}",scope="extra:thing:do",error="insufficient_scope"`;
      // Some answer 403 to a token that is good for something else.
      call.answer(call.nth % 2 === 0 ? 401 : 403, { 'www-authenticate': challenge });
      return true;
    },
  });
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open);
  assert.equal(registry.blobs.size, 1);
  assert.deepEqual(service.asked.at(-1)?.query.getAll('scope'), [
    'extra:thing:do',
    'repository:team/app:pull,push',
  ]);
});

test('somebody who is logged in and may not push is denied, not asked to log in', async (t) => {
  const quirk: Quirk = (call) => {
    const challenge = `Bearer realm="http://${call.url.host}/token",error="insufficient_scope"`;
    call.answer(
      401,
      { 'www-authenticate': challenge },
      errors('UNAUTHORIZED', 'authentication required'),
    );
    return true;
  };
  const options = { password: USER.password };
  const known = await start(t, options, USER, { quirk });
  const { descriptor, open } = manifestOf();
  await assert.rejects(known.repository.push(descriptor, open), { code: 'DENIED' });
  const nobody = await start(t, {}, undefined, { quirk });
  await assert.rejects(nobody.repository.push(descriptor, open), { code: 'AUTH_REQUIRED' });
  assert.ok(nobody.service.asked.length <= 2);
});

test('a wrong password fails at once, with a way out, and is nowhere repeated', async (t) => {
  const wrong = { username: 'user', password: 'not this one' };
  const { service, repository, registry } = await start(t, { password: 'right' }, wrong, {
    client: { retry: {} },
  });
  const { descriptor, open } = blobOf(100);
  await assert.rejects(repository.push(descriptor, open), (error) => {
    assert.ok(error instanceof SlipwayError);
    assert.equal(error.code, 'AUTH_REQUIRED');
    assert.match(error.message, /refused the credentials of "user"/);
    assert.match(error.hint ?? '', new RegExp(`login ${registry.host}`));
    assert.doesNotMatch(JSON.stringify([error.message, error.facts]), /not this one/);
    return true;
  });
  // Asked once: nothing was waited for.
  assert.equal(service.asked.length, 1);
});

test('a registry with Basic gets the login, and no second try when it is wrong', async (t) => {
  const right = `Basic ${Buffer.from(`user:${USER.password}`).toString('base64')}`;
  const quirk: Quirk = (call) => {
    if (call.request.headers.authorization === right) return false;
    call.answer(401, { 'www-authenticate': 'Basic realm="here"' }, errors('UNAUTHORIZED'));
    return true;
  };
  const registry = await startFakeRegistry(t, quirk);
  const { descriptor, open } = blobOf(100);
  const good = connect(t, registry.host, { credentials: async () => USER });
  await good.repository.push(descriptor, open);
  assert.equal(registry.blobs.size, 1);
  const before = registry.seen.length;
  const bad = connect(t, registry.host, { credentials: async () => ({ ...USER, password: 'x' }) });
  await assert.rejects(bad.repository.push(descriptor, open), { code: 'AUTH_REQUIRED' });
  assert.equal(registry.seen.length, before + 2);
  const nobody = connect(t, registry.host);
  await assert.rejects(nobody.repository.push(descriptor, open), { code: 'AUTH_REQUIRED' });
  assert.equal(registry.seen.length, before + 3);
});

test('of several challenges the one that is known is answered', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    if (call.request.headers.authorization?.startsWith('Basic ') === true) return false;
    call.answer(401, { 'www-authenticate': 'Negotiate, Basic realm="here", Digest nonce="x"' });
    return true;
  });
  const { repository } = connect(t, registry.host, { credentials: async () => USER });
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open);
  assert.equal(registry.blobs.size, 1);
});

for (const [what, challenge] of [
  ['no challenge', ''],
  ['an unknown challenge', 'Negotiate'],
] as const) {
  test(`a 401 with ${what} ends at once`, async (t) => {
    const registry = await startFakeRegistry(t, (call) => {
      call.answer(401, challenge === '' ? {} : { 'www-authenticate': challenge });
      return true;
    });
    const { repository } = connect(t, registry.host, { credentials: async () => USER });
    const { descriptor, open } = blobOf(100);
    await assert.rejects(repository.push(descriptor, open), { code: 'AUTH_REQUIRED' });
    assert.equal(registry.seen.length, 1);
    assert.equal(registry.seen[0]?.headers.authorization, undefined);
  });
}

test('a challenge without a token service is an error, and the password stays here', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    call.answer(401, { 'www-authenticate': 'Bearer service="x"' });
    return true;
  });
  const { repository } = connect(t, registry.host, { credentials: async () => USER });
  const { descriptor, open } = blobOf(100);
  await assert.rejects(repository.push(descriptor, open), {
    code: 'NOT_A_REGISTRY',
    message: /no token service/,
  });
  assert.ok(registry.seen.every(({ headers }) => headers.authorization === undefined));
});

for (const [what, body, code] of [
  ['no JSON', Buffer.from('a secret of somebody'), 'NOT_A_REGISTRY'],
  ['no token', Buffer.from('{"secret":"of somebody"}'), 'NOT_A_REGISTRY'],
  [
    'a token that can stand in no header',
    Buffer.from('{"token":"a\\r\\nsecret: b"}'),
    'NOT_A_REGISTRY',
  ],
  ['more than a token', Buffer.alloc(1024 * 1024 + 1, '{'), 'LIMIT_EXCEEDED'],
] as const) {
  test(`a token service that answers ${what} is refused, its words not repeated`, async (t) => {
    const { repository } = await start(t, {
      quirk: (call) => {
        call.answer(200, {}, body);
        return true;
      },
    });
    const { descriptor, open } = blobOf(100);
    await assert.rejects(repository.push(descriptor, open), (error) => {
      assert.ok(error instanceof SlipwayError);
      assert.equal(error.code, code);
      assert.doesNotMatch(`${error.message} ${JSON.stringify(error.facts)}`, /secret/);
      return true;
    });
  });
}

test('a token service that is busy is asked again', async (t) => {
  const { service, registry, repository } = await start(t, {
    quirk: (call) => {
      if (call.nth > 2) return false;
      call.answer(503);
      return true;
    },
  });
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open);
  assert.equal(registry.blobs.size, 1);
  assert.equal(service.asked.length, 3);
});

test('an abort of one push does not end the token of another', async (t) => {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<void>();
  const { registry, repository } = await start(t, {
    quirk: async () => {
      asked.resolve();
      await answered.promise;
      return false;
    },
  });
  const abort = new AbortController();
  const reason = new Error('enough');
  const first = blobOf(100, 'a');
  const second = blobOf(100, 'b');
  const ended = assert.rejects(
    repository.push(first.descriptor, first.open, { signal: abort.signal }),
    reason,
  );
  const going = repository.push(second.descriptor, second.open);
  await asked.promise;
  abort.abort(reason);
  // The token comes only after that: an abort that waits for it never ends.
  await ended;
  answered.resolve();
  await going;
  assert.deepEqual([...registry.blobs.keys()], [second.descriptor.digest]);
});

test('an abort does not wait until a silent host has been probed', async (t) => {
  const host = await serveRaw(t, () => {});
  const { repository } = connect(t, host, { scheme: () => 'probe' });
  const startedAt = performance.now();
  const signal = AbortSignal.timeout(50);
  await assert.rejects(repository.resolve('v1', { signal }), { name: 'TimeoutError' });
  await assertPrompt(performance.now() - startedAt, 2_000);
});
