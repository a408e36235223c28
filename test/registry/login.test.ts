import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Credential, isSlipwayError } from '../../src/index.ts';
import { createRegistries, type RegistriesOptions } from '../../src/registry/registries.ts';
import { atEnd } from '../rig/lifetime.ts';
import { type Quirk, startFakeRegistry } from './fake-registry.ts';
import { type TokenServiceOptions, tokenService } from './token-service.ts';

const USER: Credential = { username: 'user', password: 'hunter2-ü' };
const WRONG: Credential = { username: 'user', password: 'hunter2-x' };

async function start(t: TestContext, quirk: Quirk, options: RegistriesOptions = {}) {
  const registry = await startFakeRegistry(t, quirk);
  const registries = createRegistries(options);
  atEnd(t, () => registries.close());
  const login = (credential: Credential) => registries.login(registry.host, credential);
  return { registry, login };
}

/** A token service that gives an identity token to who asks for one. */
const GIVING: TokenServiceOptions = {
  password: USER.password,
  quirk: (call, { query, form, authorization }) => {
    const isKnown = authorization !== undefined || form.get('refresh_token') === USER.password;
    if (query.get('offline_token') !== 'true' || !isKnown) return false;
    call.answer(200, {}, { token: 'good', refresh_token: 'identity' });
    return true;
  },
};

/** Takes the token `good`. */
const takesGood =
  (inner: Quirk): Quirk =>
  async (call) => {
    if (call.request.headers.authorization !== 'Bearer good') return await inner(call);
    call.answer(200, {}, {});
    return true;
  };

test('a login is proved at the token service, which is asked for an identity token', async (t) => {
  const service = tokenService(GIVING);
  const { login, registry } = await start(t, takesGood(service.quirk));
  assert.deepEqual(await login(USER), { isAsked: true, identityToken: 'identity' });
  assert.equal(service.asked.length, 1);
  const { query, method } = service.asked[0] ?? assert.fail();
  assert.equal(method, 'GET');
  assert.equal(query.get('account'), 'user');
  assert.equal(query.get('client_id'), 'slipway');
  // The front page is all that a login asks for.
  const paths = registry.seen.map(({ path }) => path).filter((path) => !path.startsWith('/token'));
  assert.deepEqual(paths, ['/v2/', '/v2/']);
});

test('a push asks for no identity token', async (t) => {
  const service = tokenService({ password: USER.password });
  const { registry } = await start(t, service.quirk);
  const registries = createRegistries({ credentials: async () => USER });
  atEnd(t, () => registries.close());
  await assert.rejects(registries.repository({ host: registry.host, path: 'a' }).resolve('1'));
  assert.equal(service.asked[0]?.query.get('offline_token'), null);
});

test('a wrong password is refused after one try, and not told', async (t) => {
  const service = tokenService({ password: USER.password });
  const { login } = await start(t, service.quirk);
  await assert.rejects(login(WRONG), (error) => {
    assert.ok(isSlipwayError(error, 'AUTH_REQUIRED'));
    assert.match(error.message, /refused the login of "user"/);
    assert.ok(!`${error.message}${error.hint}${JSON.stringify(error.facts)}`.includes('hunter2'));
    return true;
  });
  assert.equal(service.asked.length, 1);
});

test('with Basic, any 2xx is a login, and a second 401 the end of it', async (t) => {
  const basic = (credential: Credential) =>
    `Basic ${Buffer.from(`${credential.username}:${credential.password}`).toString('base64')}`;
  let asked = 0;
  const { login } = await start(t, (call) => {
    asked++;
    const isKnown = call.request.headers.authorization === basic(USER);
    call.answer(isKnown ? 204 : 401, isKnown ? {} : { 'www-authenticate': 'Basic realm="x"' });
    return true;
  });
  assert.deepEqual(await login(USER), { isAsked: true });
  asked = 0;
  await assert.rejects(login(WRONG), { code: 'AUTH_REQUIRED' });
  assert.equal(asked, 2);
});

test('a token service of another site is not asked at all', async (t) => {
  const other = tokenService();
  const elsewhere = await startFakeRegistry(t, other.quirk);
  const realm = `http://${elsewhere.host}/token`;
  const service = tokenService({ realm });
  const { login } = await start(t, service.quirk);
  await assert.rejects(login(USER), { code: 'AUTH_REALM_REFUSED' });
  assert.equal(other.asked.length, 0);
  assert.deepEqual(elsewhere.seen, []);
});

test('with a registry that lets everybody in, nothing was proved', async (t) => {
  const { login, registry } = await start(t, (call) => {
    call.answer(200, {}, {});
    return true;
  });
  assert.deepEqual(await login(USER), { isAsked: false });
  for (const { headers } of registry.seen) assert.equal(headers.authorization, undefined);
});

for (const [status, code] of [
  [404, 'NOT_A_REGISTRY'],
  [403, 'DENIED'],
  [302, 'NOT_A_REGISTRY'],
] as const) {
  test(`a front page that answers ${status} is no login`, async (t) => {
    const { login } = await start(t, (call) => {
      call.answer(status, {}, {});
      return true;
    });
    await assert.rejects(login(USER), { code });
  });
}
