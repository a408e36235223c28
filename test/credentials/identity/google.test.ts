import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { serve } from '../../http/servers.ts';
import { ask, type CloudAnswer, startClouds } from './clouds.ts';

const HOST = 'europe-west1-docker.pkg.dev';
const POOL = 'projects/123/locations/global/workloadIdentityPools/pool/providers/github';
const login = (password: string) => [{ credential: { username: 'oauth2accesstoken', password } }];

const sts =
  (subject: string): CloudAnswer =>
  ({ body, method }) => {
    const form = new URLSearchParams(body);
    const isRight =
      method === 'POST' &&
      form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:token-exchange' &&
      form.get('audience') === `//iam.googleapis.com/${POOL}` &&
      form.get('subject_token') === subject;
    return isRight ? { access_token: 'federated', expires_in: 3600, token_type: 'Bearer' } : 403;
  };

const job = { SLIPWAY_GOOGLE_PROVIDER: POOL, SLIPWAY_GOOGLE_ID_TOKEN: 'job-token' };

test('the token of a CI job is exchanged by workload identity federation', async (t) => {
  const { env, requests } = await startClouds(t, { 'sts.googleapis.com': sts('job-token') });
  const { answers } = await ask({ ...env, ...job }, HOST, HOST, 'gcr.io');
  assert.deepEqual(answers, [...login('federated'), ...login('federated'), ...login('federated')]);
  assert.equal(requests.length, 2, 'once for each host');
});

test('a job of GitHub Actions gets a token for the provider, and acts as a service account', async (t) => {
  const actions = await serve(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    response.end(
      JSON.stringify({ value: `jwt ${searchParams.get('audience')}`.replace(' ', ':') }),
    );
  });
  const { env } = await startClouds(t, {
    'sts.googleapis.com': sts(`jwt:https://iam.googleapis.com/${POOL}`),
    'iamcredentials.googleapis.com': ({ url, headers }) =>
      url.pathname ===
        '/v1/projects/-/serviceAccounts/ci@p.iam.gserviceaccount.com:generateAccessToken' &&
      headers.authorization === 'Bearer federated'
        ? { accessToken: 'as-account', expireTime: new Date(Date.now() + 3_600_000).toISOString() }
        : 403,
  });
  const { answers } = await ask(
    {
      ...env,
      SLIPWAY_GOOGLE_PROVIDER: POOL,
      SLIPWAY_GOOGLE_SERVICE_ACCOUNT: 'ci@p.iam.gserviceaccount.com',
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://${actions}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'permit',
    },
    HOST,
  );
  assert.deepEqual(answers, login('as-account'));
});

test('a file with an external account, a service account or a user is used', async (t) => {
  const oauth: CloudAnswer = ({ body }) => {
    const form = new URLSearchParams(body);
    if (form.get('refresh_token') === 'user-refresh')
      return { access_token: 'as-user', expires_in: 60 };
    if ((form.get('assertion') ?? '').split('.').length !== 3) return 403;
    return { access_token: 'as-key', expires_in: 3600 };
  };
  const { env, home, requests } = await startClouds(t, {
    'sts.googleapis.com': sts('from-file'),
    'oauth2.googleapis.com': oauth,
    'www.googleapis.com': oauth,
  });
  const at = (name: string) => path.join(home, name);
  await writeFile(at('subject'), 'from-file');
  await writeFile(
    at('external.json'),
    JSON.stringify({
      type: 'external_account',
      audience: `//iam.googleapis.com/${POOL}`,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: 'https://sts.googleapis.com/v1/token',
      credential_source: { file: at('subject') },
    }),
  );
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  await writeFile(
    at('key.json'),
    JSON.stringify({
      type: 'service_account',
      client_email: 'ci@p.iam.gserviceaccount.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      private_key_id: 'k',
      project_id: 'p',
    }),
  );
  const withFile = (name: string) =>
    ask({ ...env, GOOGLE_APPLICATION_CREDENTIALS: at(name) }, HOST);
  assert.deepEqual((await withFile('external.json')).answers, login('federated'));
  assert.deepEqual((await withFile('key.json')).answers, login('as-key'));
  await mkdir(at('.config/gcloud'), { recursive: true });
  await writeFile(
    at('.config/gcloud/application_default_credentials.json'),
    JSON.stringify({
      type: 'authorized_user',
      client_id: 'c',
      client_secret: 's',
      refresh_token: 'user-refresh',
    }),
  );
  assert.deepEqual((await ask(env, HOST)).answers, login('as-user'));
  assert.equal(requests.length, 3, 'nothing but tokens is asked for');
});

test('the metadata service is asked where one is named', async (t) => {
  const metadata = await serve(t, (request, response) => {
    const isRight =
      request.url === '/computeMetadata/v1/instance/service-accounts/default/token' &&
      request.headers['metadata-flavor'] === 'Google';
    response.writeHead(isRight ? 200 : 404, {
      'metadata-flavor': 'Google',
      'content-type': 'application/json',
    });
    response.end(JSON.stringify({ access_token: 'as-machine', expires_in: 3600 }));
  });
  const { env } = await startClouds(t, { 'sts.googleapis.com': () => 404 });
  const { METADATA_SERVER_DETECTION: _, ...machine } = env;
  const { answers, connections } = await ask({ ...machine, GCE_METADATA_HOST: metadata }, 'gcr.io');
  assert.deepEqual(answers, login('as-machine'));
  assert.deepEqual(new Set(connections), new Set(['127.0.0.1']));
});

test('a refusal, a setting that is none and a file that is not there are told', async (t) => {
  const { env, home } = await startClouds(t, { 'sts.googleapis.com': sts('another') });
  const answerOf = async (more: Readonly<Record<string, string>>) =>
    (await ask({ ...env, ...more }, HOST)).answers[0];
  const refused = await answerOf(job);
  assert.equal(refused?.code, 'AUTH_REQUIRED');
  assert.ok(!JSON.stringify(refused).includes('job-token'));
  const provider = await answerOf({ ...job, SLIPWAY_GOOGLE_PROVIDER: '//evil.test/x' });
  assert.equal(provider?.code, 'CONFIG_INVALID');
  const account = await answerOf({ ...job, SLIPWAY_GOOGLE_SERVICE_ACCOUNT: 'a@b/../c' });
  assert.equal(account?.code, 'CONFIG_INVALID');
  const file = await answerOf({ GOOGLE_APPLICATION_CREDENTIALS: path.join(home, 'none.json') });
  assert.equal(file?.code, 'FILE_NOT_FOUND');
});
