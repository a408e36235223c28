import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { serve } from '../../http/servers.ts';
import { ask, type CloudAnswer, startClouds } from './clouds.ts';

const HOST = 'registry.azurecr.io';
const TENANT = '11111111-2222-3333-4444-555555555555';
const CLIENT = '66666666-7777-8888-9999-000000000000';
const APPLICATION = { AZURE_TENANT_ID: TENANT, AZURE_CLIENT_ID: CLIENT };

const jwt = (claims: object) =>
  ['{"alg":"none"}', JSON.stringify(claims), 'signature']
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
const REFRESH = jwt({ exp: Math.floor(Date.now() / 1000) + 3 * 3600 });
const LOGIN = {
  credential: {
    username: '00000000-0000-0000-0000-000000000000',
    password: REFRESH,
    identityToken: REFRESH,
  },
};

/** Entra: knows one secret, or one assertion of somebody else. */
const entra =
  (known: Readonly<Record<string, string>>): CloudAnswer =>
  ({ url, body, host }, response) => {
    const base = `https://${host}/${TENANT}`;
    if (url.pathname.endsWith('/.well-known/openid-configuration')) {
      return {
        token_endpoint: `${base}/oauth2/v2.0/token`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        issuer: `${base}/v2.0`,
      };
    }
    if (url.pathname !== `/${TENANT}/oauth2/v2.0/token`) return 404;
    const form = new URLSearchParams(body);
    const isKnown = Object.entries(known).every(([name, value]) => form.get(name) === value);
    if (
      isKnown &&
      (form.get('scope') ?? '').includes('https://containerregistry.azure.net/.default')
    ) {
      return { access_token: 'aad-token', expires_in: 3600, token_type: 'Bearer' };
    }
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        error: 'invalid_client',
        error_description: 'AADSTS7000215: Invalid client secret provided.',
      }),
    );
    return undefined;
  };

const acr: CloudAnswer = ({ method, url, body, host }) => {
  const form = new URLSearchParams(body);
  if (method !== 'POST' || url.pathname !== '/oauth2/exchange') return 404;
  const isRight =
    form.get('grant_type') === 'access_token' &&
    form.get('service') === host &&
    form.get('access_token') === 'aad-token';
  return isRight ? { refresh_token: REFRESH } : 401;
};

test('a secret of an application gets a refresh token of the registry, once', async (t) => {
  const { env, requests } = await startClouds(t, {
    'login.microsoftonline.com': entra({ client_id: CLIENT, client_secret: 'app-secret' }),
    [HOST]: acr,
  });
  const { answers } = await ask(
    { ...env, ...APPLICATION, AZURE_CLIENT_SECRET: 'app-secret' },
    HOST,
    HOST,
  );
  assert.deepEqual(answers, [LOGIN, LOGIN]);
  assert.equal(requests.filter(({ host }) => host === HOST).length, 1);
});

test('a job of GitHub Actions proves itself without a secret', async (t) => {
  const actions = await serve(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    response.end(JSON.stringify({ value: `jwt-for-${searchParams.get('audience')}` }));
  });
  const { env } = await startClouds(t, {
    'login.microsoftonline.com': entra({
      client_assertion: 'jwt-for-api://AzureADTokenExchange',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    }),
    [HOST]: acr,
  });
  const { answers } = await ask(
    {
      ...env,
      ...APPLICATION,
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://${actions}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'permit',
    },
    HOST,
  );
  assert.deepEqual(answers, [LOGIN]);
});

test('a federated token file proves a workload of Kubernetes', async (t) => {
  const { env, home } = await startClouds(t, {
    'login.microsoftonline.com': entra({ client_assertion: 'from-file' }),
    [HOST]: acr,
  });
  const file = path.join(home, 'federated');
  await writeFile(file, 'from-file');
  const { answers } = await ask({ ...env, ...APPLICATION, AZURE_FEDERATED_TOKEN_FILE: file }, HOST);
  assert.deepEqual(answers, [LOGIN]);
});

test('registries of the other clouds are asked with tokens of their own login service', async (t) => {
  const known = entra({ client_secret: 'app-secret' });
  const { env, requests } = await startClouds(t, {
    'login.partner.microsoftonline.cn': known,
    'login.microsoftonline.us': known,
    'registry.azurecr.cn': acr,
    'registry.azurecr.us': acr,
  });
  const application = { ...env, ...APPLICATION, AZURE_CLIENT_SECRET: 'app-secret' };
  const { answers } = await ask(application, 'registry.azurecr.cn', 'registry.azurecr.us');
  assert.deepEqual(answers, [LOGIN, LOGIN]);
  assert.ok(requests.some(({ host }) => host === 'login.partner.microsoftonline.cn'));
  assert.ok(requests.some(({ host }) => host === 'login.microsoftonline.us'));
});

test('a managed identity is asked where its service is named', async (t) => {
  const service = await serve(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    const isRight =
      request.headers['x-identity-header'] === 'header-secret' &&
      searchParams.get('resource') === 'https://containerregistry.azure.net';
    response.writeHead(isRight ? 200 : 400, { 'content-type': 'application/json' });
    const expires_on = Math.floor(Date.now() / 1000) + 3600;
    response.end(JSON.stringify({ access_token: 'aad-token', expires_on, token_type: 'Bearer' }));
  });
  const { env } = await startClouds(t, { [HOST]: acr });
  const { AZURE_TOKEN_CREDENTIALS: _, ...machine } = env;
  const { answers } = await ask(
    {
      ...machine,
      IDENTITY_ENDPOINT: `http://${service}/msi/token`,
      IDENTITY_HEADER: 'header-secret',
    },
    HOST,
  );
  assert.deepEqual(answers, [LOGIN]);
});

test('refusals of the login service and of the registry are told, and no secret', async (t) => {
  const { env } = await startClouds(t, {
    'login.microsoftonline.com': entra({ client_secret: 'app-secret' }),
    [HOST]: () => 401,
    'busy.azurecr.io': () => 503,
    'odd.azurecr.io': () => ({ refresh_token: 'two\r\nlines' }),
    'away.azurecr.io': (_request, response) => {
      response.writeHead(307, { location: 'https://evil.test/' }).end();
      return undefined;
    },
  });
  const application = { ...env, ...APPLICATION };
  const wrong = await ask({ ...application, AZURE_CLIENT_SECRET: 'wrong-secret' }, HOST);
  assert.equal(wrong.answers[0]?.code, 'AUTH_REQUIRED');
  assert.match(wrong.answers[0]?.message ?? '', /AADSTS7000215/);
  assert.ok(!JSON.stringify(wrong).includes('wrong-secret'));
  const right = await ask(
    { ...application, AZURE_CLIENT_SECRET: 'app-secret' },
    ...[HOST, 'busy.azurecr.io', 'odd.azurecr.io', 'away.azurecr.io'],
  );
  const codes = right.answers.map(({ code }) => code);
  assert.deepEqual(codes, ['AUTH_REQUIRED', 'SERVER_ERROR', 'AUTH_REQUIRED', 'AUTH_REQUIRED']);
  assert.match(right.answers[0]?.hint ?? '', /AcrPush/);
  assert.ok(!/aad-token|app-secret/.test(JSON.stringify(right)));
});
