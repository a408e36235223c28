import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { addImage, startLayout } from '../rig/layouts.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { missing, mustRun, run } from '../rig/programs.ts';
import { prepareSlipway } from '../rig/slipway.ts';

const PASSWORD = 'hunter2-"quoted"-ü';
const NEEDS_PASS = missing('docker-credential-pass', 'pass', 'gpg', 'docker-registry', 'htpasswd');

describe('docker-credential-pass', { skip: NEEDS_PASS }, () => {
  it('keeps a login for slipway and docker’s other users', async (t) => {
    const { host } = await startDockerRegistry(t, { users: { me: PASSWORD } });
    const slipway = await prepareSlipway(t);
    const home = await tempDir(t);
    // gpg refuses a home that others can read.
    await chmod(home, 0o700);
    const env = {
      GNUPGHOME: path.join(home, 'gnupg'),
      PASSWORD_STORE_DIR: path.join(home, 'store'),
      HOME: home,
      PATH: '/usr/bin:/bin',
    };
    await mkdir(env.GNUPGHOME, { mode: 0o700 });
    atEnd(t, async () => {
      await run('gpgconf', ['--kill', 'all'], { env });
    });
    const key = ['--batch', '--passphrase', '', '--quick-gen-key', 'test@example.org', 'default'];
    await mustRun('gpg', key, { env });
    await mustRun('pass', ['init', 'test@example.org'], { env });
    const config = path.join(slipway.env.DOCKER_CONFIG ?? '', 'config.json');
    await mkdir(path.dirname(config), { recursive: true });
    await writeFile(config, '{"credsStore":"pass"}', { mode: 0o600 });

    const listed = async () =>
      Object.entries(JSON.parse(await mustRun('docker-credential-pass', ['list'], { env })));
    const login = ['login', '-u', 'me', '--password-stdin', host];
    const { code, stderr } = await slipway.run(login, { stdin: PASSWORD, env });
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /unencrypted/);
    assert.doesNotMatch(await readFile(config, 'utf8'), /auth|hunter2/);
    assert.deepEqual(await listed(), [[host, 'me']]);

    const layout = await startLayout(t);
    const layer = await layout.add(Buffer.alloc(1024), MEDIA_TYPE.ociLayer);
    await layout.name(await addImage(layout, 'amd64', [{ layer, diffId: layer.digest }]), 'app');
    await slipway.must(['push', '--from', `oci:${layout.dir}:app`, `${host}/team/app:1`], { env });
    await slipway.must(['pull', `${host}/team/app:1`], { env });
    assert.match((await slipway.run(['login', host], { env })).stdout, /Login Succeeded/);

    await slipway.must(['logout', host], { env });
    assert.deepEqual(await listed(), []);
    await slipway.must(['logout', host], { env });
    assert.equal((await slipway.run(['ls', `${host}/team/app`], { env })).code, 10);
  });
});
