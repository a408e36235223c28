import assert from 'node:assert/strict';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import { startRegistry } from '../../../src/server/registry.ts';
import { dockerArchive, fileOf } from '../../cli/archives.ts';
import { LAYERS } from '../../cli/scene.ts';
import { atEnd } from '../../rig/lifetime.ts';
import { prepareSlipway } from '../../rig/slipway.ts';
import { type CloudAnswer, startClouds } from './clouds.ts';

const HOST = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
const API = 'api.ecr.eu-west-1.amazonaws.com';
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'key-marker-secret' };
const PASSWORD = 'ecr-marker-password';
const BASIC = `Basic ${Buffer.from(`AWS:${PASSWORD}`).toString('base64')}`;

const tokens: CloudAnswer = () => {
  const authorizationToken = Buffer.from(`AWS:${PASSWORD}`).toString('base64');
  return { authorizationData: [{ authorizationToken, expiresAt: Date.now() / 1000 + 43_200 }] };
};

/** A registry that is behind a cloud's name and wants the cloud's login, and a command to reach it. */
async function prepare(t: TestContext, host: string, wanted: string) {
  const registry = await startRegistry();
  atEnd(t, () => registry.close());
  const { hostname, port } = new URL(`http://${registry.host}`);
  const guarded: CloudAnswer = ({ method, url, headers, bytes }, response) => {
    if (headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="cloud",service="ecr"' }).end();
      return undefined;
    }
    const { authorization: _, host: __, ...others } = headers;
    const path = `${url.pathname}${url.search}`;
    const onward = http.request({ hostname, port, method, path, headers: others }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.end(bytes);
    return undefined;
  };
  const clouds = await startClouds(t, { [host]: guarded, [API]: tokens });
  const { run, env } = await prepareSlipway(t);
  const archive = await fileOf(t, 'app.tar', dockerArchive({ names: ['app:1'], layers: LAYERS }));
  const { HOME: _, ...proxied } = clouds.env;
  return {
    requests: clouds.requests,
    push: (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
      run(
        [
          'push',
          '--retries',
          '0',
          '--from',
          `docker-archive:${archive}`,
          ...args,
          `${host}/team/app:1`,
        ],
        { env: { ...env, ...proxied, ...more } },
      ),
  };
}

test('push --identity auto logs in to ECR with the keys at hand, and shows and keeps no secret', async (t) => {
  const { push, requests } = await prepare(t, HOST, BASIC);
  const done = await push(['--identity', 'auto', '--debug'], KEYS);
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, new RegExp(`^${HOST.replaceAll('.', '\\.')}/team/app@sha256:`, 'm'));
  assert.ok(!/marker/.test(done.stdout + done.stderr));
  assert.ok(!`${done.stdout}${done.stderr}`.includes(BASIC.slice(6)));
  assert.equal(requests.filter(({ host }) => host === API).length, 1, 'once for the run');
});

test('without --identity no cloud is asked, and the registry refuses', async (t) => {
  const { push, requests } = await prepare(t, HOST, BASIC);
  const { code } = await push([], KEYS);
  assert.equal(code, 10);
  assert.deepEqual(
    requests.filter(({ host }) => host === API),
    [],
  );
});

test('a login that was given for this run goes before the identity, and that before GitLab', async (t) => {
  const own = `Basic ${Buffer.from('me:mine').toString('base64')}`;
  const given = await prepare(t, HOST, own);
  const named = { SLIPWAY_USERNAME: 'me', SLIPWAY_PASSWORD: 'mine' };
  const { code, stderr } = await given.push(['--identity', 'auto'], { ...KEYS, ...named });
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    given.requests.filter(({ host }) => host === API),
    [],
  );

  const job = { CI_REGISTRY: HOST, CI_REGISTRY_USER: 'ci', CI_REGISTRY_PASSWORD: 'job' };
  const identity = await prepare(t, HOST, BASIC);
  const done = await identity.push(['--identity', 'auto'], { ...KEYS, ...job });
  assert.equal(done.code, 0, done.stderr);
});

test('nobody at hand is told, a refused identity is exit 10, and another word than auto exit 2', async (t) => {
  const { push } = await prepare(t, HOST, BASIC);
  const nobody = await push(['--identity', 'auto']);
  assert.equal(nobody.code, 10);
  assert.match(nobody.stderr, /--identity auto found no AWS identity here for 123456789012/);
  const refused = await push(['--identity', 'auto'], {
    ...KEYS,
    AWS_ENDPOINT_URL_ECR: `https://${HOST}`,
  });
  assert.equal(refused.code, 10, refused.stderr);
  assert.match(refused.stderr, /the AWS identity got no login for/);
  const cut = await push(['--identity', 'auto'], {
    ...KEYS,
    AWS_ENDPOINT_URL_ECR: 'http://127.0.0.1:1',
  });
  assert.equal(cut.code, 16, cut.stderr);
  const word = await push(['--identity', 'always']);
  assert.equal(word.code, 2);
});
