import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serve } from '../../http/servers.ts';
import { ask, startClouds } from './clouds.ts';

const ACTIONS = {
  GITHUB_ACTIONS: 'true',
  GITHUB_ACTOR: 'octocat',
  GITHUB_TOKEN: 'ghs_token',
  GITHUB_SERVER_URL: 'https://github.com',
};

test("a job of GitHub Actions logs in to GitHub's registry with its own token", async (t) => {
  const { env } = await startClouds(t, { 'unused.test': () => 404 });
  const { answers, connections } = await ask({ ...env, ...ACTIONS }, 'ghcr.io', 'GHCR.io');
  const credential = { username: 'octocat', password: 'ghs_token' };
  assert.deepEqual(answers, [{ credential }, { credential }]);
  assert.deepEqual(connections, []);
});

test('the token of a job goes to the registry of its own server only', async (t) => {
  const { env } = await startClouds(t, { 'unused.test': () => 404 });
  const job = { ...env, ...ACTIONS, GITHUB_SERVER_URL: 'https://octo.ghe.com' };
  const hosts = ['containers.octo.ghe.com', 'ghcr.io', 'containers.octo.ghe.com.evil.test'];
  const { answers } = await ask(job, ...hosts);
  assert.equal(answers[0]?.credential?.password, 'ghs_token');
  assert.deepEqual(answers.slice(1), [{}, {}]);
});

test('a token outside of a job is not taken', async (t) => {
  const { env } = await startClouds(t, { 'unused.test': () => 404 });
  const { GITHUB_ACTIONS: _, ...noJob } = ACTIONS;
  const { answers, warnings } = await ask({ ...env, ...noJob }, 'ghcr.io');
  assert.deepEqual(answers, [{}]);
  assert.deepEqual(warnings, ['--identity auto found no GitHub identity here for ghcr.io']);
});

test("a job of GitLab logs in to GitLab's registry, and to no other", async (t) => {
  const { env } = await startClouds(t, { 'unused.test': () => 404 });
  const job = {
    ...env,
    CI_REGISTRY: 'registry.gitlab.example:5050',
    CI_REGISTRY_USER: 'gitlab-ci-token',
    CI_REGISTRY_PASSWORD: 'job-token',
  };
  const hosts = ['registry.gitlab.example:5050', 'registry.gitlab.example', 'example.org'];
  const { answers, warnings } = await ask(job, ...hosts);
  assert.equal(answers[0]?.credential?.password, 'job-token');
  assert.deepEqual(answers.slice(1), [{}, {}]);
  assert.deepEqual(warnings, []);
});

test('a robot account of Quay that trusts a job gets a token for it', async (t) => {
  const actions = await serve(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    response.end(JSON.stringify({ value: `jwt-for-${searchParams.get('audience')}` }));
  });
  const { env, requests } = await startClouds(t, {
    'quay.io': ({ method, url, headers }) => {
      if (method !== 'GET' || url.pathname !== '/oauth2/federation/robot/token') return 404;
      const basic = Buffer.from('org+publisher:jwt-for-quay.io').toString('base64');
      return headers.authorization === `Basic ${basic}` ? { token: 'robot-token' } : 401;
    },
  });
  const job = {
    ...env,
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://${actions}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'permit',
  };
  const robot = { ...job, SLIPWAY_QUAY_ROBOT: 'org+publisher' };
  const { answers } = await ask(robot, 'quay.io');
  const credential = { username: 'org+publisher', password: 'robot-token' };
  assert.deepEqual(answers, [{ credential }]);
  assert.equal(requests.length, 1);

  const [refused] = (await ask({ ...robot, SLIPWAY_QUAY_ID_TOKEN: 'of-another' }, 'quay.io'))
    .answers;
  assert.equal(refused?.code, 'AUTH_REQUIRED');
  assert.ok(!JSON.stringify(refused).includes('of-another'));
  const [invalid] = (await ask({ ...job, SLIPWAY_QUAY_ROBOT: 'a:b+c' }, 'quay.io')).answers;
  assert.equal(invalid?.code, 'CONFIG_INVALID');
  assert.deepEqual((await ask(job, 'quay.io')).answers, [{}], 'nobody without a robot account');
});

test('a job that may not have a token, and an address that is none, are told', async (t) => {
  const actions = await serve(t, (_request, response) => response.writeHead(403).end('permit'));
  const { env } = await startClouds(t, { 'quay.io': () => 404 });
  const robot = {
    ...env,
    SLIPWAY_QUAY_ROBOT: 'org+publisher',
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://${actions}/token`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'permit',
  };
  const [refused] = (await ask(robot, 'quay.io')).answers;
  assert.equal(refused?.code, 'AUTH_REQUIRED');
  assert.match(refused?.hint ?? '', /id-token: write/);
  for (const url of ['http://example.org/token', 'file:///etc/passwd', 'nonsense']) {
    const [invalid] = (await ask({ ...robot, ACTIONS_ID_TOKEN_REQUEST_URL: url }, 'quay.io'))
      .answers;
    assert.equal(invalid?.code, 'CONFIG_INVALID', url);
  }
});
