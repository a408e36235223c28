import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing, missingEngine, mustRun } from '../rig/programs.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const PASSWORD = 'hunter2-"quoted"-ü';
const USERS = { me: PASSWORD };

async function usersOf(file: string): Promise<Record<string, string>> {
  const { auths = {} } = JSON.parse(await readFile(file, 'utf8'));
  return Object.fromEntries(
    Object.entries<{ auth?: string }>(auths).map(([key, { auth = '' }]) => [
      key,
      Buffer.from(auth, 'base64').toString(),
    ]),
  );
}

describe('logins beside the docker command', {
  skip: missingEngine('dockerd', 'docker') || missing('docker-registry', 'htpasswd'),
}, () => {
  let docker: Docker;
  let host: string;
  let slipway: Slipway;
  let config: string;
  let shared: Record<string, string>;

  before(async () => {
    docker = await startDockerd(THIS_FILE);
    ({ host } = await startDockerRegistry(THIS_FILE, { users: USERS }));
    slipway = await prepareSlipway(THIS_FILE);
    const folder = docker.env.DOCKER_CONFIG ?? '';
    config = path.join(folder, 'config.json');
    shared = { DOCKER_CONFIG: folder };
  });

  it('docker uses what slipway keeps', async () => {
    const login = ['login', '-u', 'me', '--password-stdin', host];
    await slipway.must(login, { stdin: PASSWORD, env: shared });
    assert.match(await docker.docker('login', host), /Login Succeeded/);
    const refused = await docker.tryDocker('pull', `${host}/none`);
    assert.match(refused.stderr, /not found|manifest unknown/);
    assert.deepEqual(await usersOf(config), { [host]: `me:${PASSWORD}` });
  });

  it('docker forgets what slipway keeps', async () => {
    assert.match(await docker.docker('logout', host), /Removing login credentials for/);
    assert.deepEqual(await usersOf(config), {});
    const refused = await slipway.run(['ls', `${host}/none`], { env: shared });
    assert.equal(refused.code, 10, refused.stderr);
  });

  it('slipway uses and forgets what docker keeps', async () => {
    // With no login at all docker would look for `pass` and take that.
    const other = { auth: Buffer.from('other:x').toString('base64') };
    await writeFile(config, JSON.stringify({ auths: { 'other.example.org': other } }));
    const login = ['login', '-u', 'me', '--password-stdin', host];
    await mustRun('docker', login, { env: docker.env, stdin: PASSWORD });
    const found = await slipway.run(['ls', `${host}/none`], { env: shared });
    assert.equal(found.code, 12, found.stderr);
    await slipway.must(['logout', host], { env: shared });
    assert.deepEqual(await usersOf(config), { 'other.example.org': 'other:x' });
    const refused = await docker.tryDocker('pull', `${host}/none`);
    assert.match(refused.stderr, /no basic auth credentials|authentication required/);
  });
});

describe('logins beside podman’s tools', {
  skip: missing('skopeo', 'docker-registry', 'htpasswd'),
}, () => {
  it('skopeo and slipway read each other’s file', async (t) => {
    const { host } = await startDockerRegistry(t, { users: USERS });
    const slipway = await prepareSlipway(t);
    const file = path.join(await tempDir(t), 'auth.json');
    const env = { REGISTRY_AUTH_FILE: file, HOME: path.dirname(file) };
    await mustRun('skopeo', ['login', '--tls-verify=false', '-u', 'me', '--password-stdin', host], {
      env,
      stdin: PASSWORD,
    });
    assert.equal((await slipway.run(['ls', `${host}/none`], { env })).code, 12);
    assert.equal((await slipway.run(['ls', `${host}/none`, '--authfile', file])).code, 12);
    await rm(file);
    const login = ['login', '--authfile', file, '-u', 'me', '--password-stdin', host];
    await slipway.must(login, { stdin: PASSWORD });
    assert.equal(await mustRun('skopeo', ['login', '--get-login', host], { env }), 'me');
  });
});
