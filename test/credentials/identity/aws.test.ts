import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { serve } from '../../http/servers.ts';
import { ask, type CloudAnswer, type CloudRequest, startClouds } from './clouds.ts';

const HOST = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const API = 'api.ecr.eu-west-1.amazonaws.com';
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'key-secret' };

const inHours = (hours: number) => Date.now() / 1000 + hours * 3600;
const token = (password: string) => Buffer.from(`AWS:${password}`).toString('base64');
const ecr =
  (password = 'ecr-password'): CloudAnswer =>
  () => ({
    authorizationData: [{ authorizationToken: token(password), expiresAt: inHours(12) }],
  });

function signedBy({ headers }: CloudRequest): string | undefined {
  const { authorization = '' } = headers;
  return /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)\/\d{8}\/([a-z0-9-]+\/[a-z-]+)\/aws4_request, SignedHeaders=[a-z0-9;-]+, Signature=[0-9a-f]{64}$/
    .exec(authorization)
    ?.slice(1)
    .join(' ');
}

async function clouds(t: TestContext, answers: Readonly<Record<string, CloudAnswer>> = {}) {
  return await startClouds(t, { [API]: ecr(), ...answers });
}

test('keys of the environment get a login of ECR', async (t) => {
  const { env, requests } = await clouds(t);
  const { answers, warnings } = await ask({ ...env, ...KEYS }, HOST);
  assert.deepEqual(answers, [{ credential: { username: 'AWS', password: 'ecr-password' } }]);
  assert.deepEqual(warnings, []);
  const [request] = requests;
  assert.ok(request);
  assert.equal(requests.length, 1);
  assert.equal(request.method, 'POST');
  assert.equal(
    request.headers['x-amz-target'],
    'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
  );
  assert.equal(request.headers['content-type'], 'application/x-amz-json-1.1');
  assert.equal(signedBy(request), 'AKIATEST eu-west-1/ecr');
});

test('one host is asked for once in a run, however it is written', async (t) => {
  const { env, requests } = await clouds(t);
  const { answers } = await ask({ ...env, ...KEYS }, HOST, HOST, HOST.toUpperCase(), HOST);
  assert.equal(new Set(answers.map((one) => JSON.stringify(one))).size, 1);
  assert.equal(requests.length, 1);
});

test('FIPS and dual-stack registries are asked at endpoints of their kind', async (t) => {
  const { env, requests } = await clouds(t, {
    'api.ecr-fips.us-west-2.amazonaws.com': ecr(),
    'ecr.eu-west-1.api.aws': ecr(),
    'api.ecr.cn-north-1.amazonaws.com.cn': ecr(),
  });
  const { answers } = await ask(
    { ...env, ...KEYS },
    '123456789012.dkr.ecr-fips.us-west-2.amazonaws.com',
    '123456789012.dkr-ecr.eu-west-1.on.aws',
    '123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn',
  );
  for (const { credential } of answers) assert.equal(credential?.username, 'AWS');
  assert.deepEqual(requests.map(({ host }) => host).sort(), [
    'api.ecr-fips.us-west-2.amazonaws.com',
    'api.ecr.cn-north-1.amazonaws.com.cn',
    'ecr.eu-west-1.api.aws',
  ]);
});

test('the public registry has a service of its own', async (t) => {
  const api = 'api.ecr-public.us-east-1.amazonaws.com';
  const { env, requests } = await clouds(t, {
    [api]: () => ({
      authorizationData: { authorizationToken: token('public'), expiresAt: inHours(12) },
    }),
  });
  const { answers } = await ask({ ...env, ...KEYS }, 'public.ecr.aws');
  assert.deepEqual(answers, [{ credential: { username: 'AWS', password: 'public' } }]);
  assert.equal(
    requests[0]?.headers['x-amz-target'],
    'SpencerFrontendService.GetAuthorizationToken',
  );
  assert.equal(requests[0] && signedBy(requests[0]), 'AKIATEST us-east-1/ecr-public');
});

const ROLE = 'arn:aws:iam::123456789012:role/publisher';
const sts =
  (wanted: string): CloudAnswer =>
  ({ url, body }) => {
    const form = new URLSearchParams(body || url.search);
    if (form.get('Action') !== 'AssumeRoleWithWebIdentity') return 400;
    if (form.get('RoleArn') !== ROLE || form.get('WebIdentityToken') !== wanted) return 403;
    return `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-session</SessionToken><Expiration>${new Date(inHours(1) * 1000).toISOString()}</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
  };

test('a job of GitHub Actions assumes its role without a file or a key', async (t) => {
  const actions = await serve(t, (request, response) => {
    const isPermitted = request.headers.authorization === 'Bearer permit';
    const audience = new URL(request.url ?? '', 'http://x').searchParams.get('audience');
    response
      .writeHead(isPermitted ? 200 : 401)
      .end(JSON.stringify({ value: `jwt-for-${audience}` }));
  });
  const { env, requests } = await clouds(t, {
    'sts.eu-west-1.amazonaws.com': sts('jwt-for-sts.amazonaws.com'),
  });
  const { answers } = await ask(
    {
      ...env,
      AWS_ROLE_ARN: ROLE,
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://${actions}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'permit',
    },
    HOST,
  );
  assert.deepEqual(answers, [{ credential: { username: 'AWS', password: 'ecr-password' } }]);
  assert.equal(
    requests.at(-1) && signedBy(requests.at(-1) as CloudRequest),
    'ASIAROLE eu-west-1/ecr',
  );
  assert.equal(requests.at(-1)?.headers['x-amz-security-token'], 'role-session');
});

test('a token that a job was given for Amazon, or a token file, assumes the role too', async (t) => {
  const { env, home, requests } = await clouds(t, {
    'sts.eu-west-1.amazonaws.com': sts('given'),
    'sts.us-east-1.amazonaws.com': sts('given'),
    'sts.amazonaws.com': sts('given'),
  });
  const role = { ...env, AWS_ROLE_ARN: ROLE };
  const given = await ask({ ...role, SLIPWAY_AWS_ID_TOKEN: 'given' }, HOST);
  assert.equal(given.answers[0]?.credential?.password, 'ecr-password');
  const file = path.join(home, 'token');
  await writeFile(file, 'given');
  const read = await ask({ ...role, AWS_WEB_IDENTITY_TOKEN_FILE: file }, HOST);
  assert.equal(read.answers[0]?.credential?.password, 'ecr-password');
  assert.equal(requests.filter(({ host }) => host === API).length, 2);
});

test('a profile counts before keys of the environment, and nothing is said about it', async (t) => {
  const { env, home, requests } = await clouds(t);
  await mkdir(path.join(home, '.aws'));
  await writeFile(
    path.join(home, '.aws/credentials'),
    '[publisher]\naws_access_key_id=AKIAPROFILE\naws_secret_access_key=x\n',
  );
  const { answers } = await ask({ ...env, ...KEYS, AWS_PROFILE: 'publisher' }, HOST);
  assert.equal(answers[0]?.credential?.username, 'AWS');
  assert.equal(requests[0] && signedBy(requests[0]), 'AKIAPROFILE eu-west-1/ecr');
});

test('a container is asked who it is', async (t) => {
  const container = await serve(t, (request, response) => {
    assert.equal(request.headers.authorization, 'container-secret');
    const Expiration = new Date(inHours(1) * 1000).toISOString();
    const keys = { AccessKeyId: 'ASIACONTAINER', SecretAccessKey: 'x', Token: 'y', Expiration };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(keys));
  });
  const { env, requests } = await clouds(t);
  const { answers } = await ask(
    {
      ...env,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://${container}/creds`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN: 'container-secret',
    },
    HOST,
  );
  assert.equal(answers[0]?.credential?.username, 'AWS');
  assert.equal(requests[0] && signedBy(requests[0]), 'ASIACONTAINER eu-west-1/ecr');
});

test('a machine is asked who it is where one is named', async (t) => {
  const machine = await serve(t, (request, response) => {
    const role = '/latest/meta-data/iam/security-credentials/';
    const keys = {
      ...{ Code: 'Success', AccessKeyId: 'ASIAMACHINE', SecretAccessKey: 'x', Token: 'y' },
      Expiration: new Date(inHours(1) * 1000).toISOString(),
    };
    if (request.url === '/latest/api/token') return void response.end('metadata-token');
    if (request.headers['x-aws-ec2-metadata-token'] !== 'metadata-token') {
      return void response.writeHead(401).end();
    }
    if (request.url === role) return void response.end('publisher');
    if (request.url === `${role}publisher`) return void response.end(JSON.stringify(keys));
    response.writeHead(404).end();
  });
  const { env, requests } = await clouds(t);
  const named = {
    ...env,
    AWS_EC2_METADATA_DISABLED: 'false',
    AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${machine}`,
  };
  const { answers } = await ask(named, HOST);
  assert.equal(answers[0]?.credential?.username, 'AWS');
  assert.equal(requests[0] && signedBy(requests[0]), 'ASIAMACHINE eu-west-1/ecr');
});

test('a refusal says what Amazon said, and no secret', async (t) => {
  const { env } = await clouds(t, {
    [API]: (_request, response) => {
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(
        JSON.stringify({
          __type: 'AccessDeniedException',
          message:
            'User arn:aws:iam::1:user/x is not authorized to perform: ecr:GetAuthorizationToken',
        }),
      );
      return undefined;
    },
  });
  const { answers } = await ask({ ...env, ...KEYS }, HOST);
  assert.equal(answers[0]?.code, 'AUTH_REQUIRED');
  assert.match(answers[0]?.message ?? '', /the AWS identity got no login for 123.*not authorized/);
  assert.ok(!JSON.stringify(answers).includes('key-secret'));
});

test('an endpoint of the library itself is used, and one that is not there is a network error', async (t) => {
  const { env } = await clouds(t);
  const { answers } = await ask(
    { ...env, ...KEYS, AWS_ENDPOINT_URL_ECR: 'http://127.0.0.1:1' },
    HOST,
  );
  assert.equal(answers[0]?.code, 'NETWORK');
  assert.match(answers[0]?.message ?? '', /ECONNREFUSED/);
});

test('a service that never answers is waited for no longer than the limit', async (t) => {
  const { env } = await clouds(t, {
    [API]: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      response.write('{');
      return undefined;
    },
  });
  const { answers } = await ask({ ...env, ...KEYS, TEST_TIMEOUT_MS: '2000' }, HOST);
  assert.equal(answers[0]?.code, 'NETWORK');
});
