import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { noise, prose } from '../bytes/samples.ts';
import { dockerArchive, fileOf } from '../cli/archives.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { busyboxRoot } from '../rig/images.ts';
import { preparePodman } from '../rig/podman.ts';
import { missing, missingEngine, mustRun } from '../rig/programs.ts';
import { prepareSlipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const MIB = 1024 * 1024;
/** Becomes four frames, some of which hardly shrink. */
const CONTENT = Buffer.concat([prose(5 * MIB), noise(5 * MIB), prose(3 * MIB)]);

suite('layers of several zstd frames', { skip: missing('docker-registry', 'busybox') }, () => {
  let image: string;

  before(async () => {
    const root = await busyboxRoot(THIS_FILE);
    await writeFile(path.join(root, 'content'), CONTENT);
    const tar = path.join(path.dirname(root), 'root.tar');
    await mustRun('tar', ['-C', root, '-cf', tar, '.']);
    const config = { config: { Cmd: ['/bin/busybox', 'sha256sum', '/content'] } };
    const archive = dockerArchive({ layers: [await readFile(tar)], config });
    const slipway = await prepareSlipway(THIS_FILE);
    const { host } = await startDockerRegistry(THIS_FILE);
    image = `${host}/frames:1`;
    const from = `docker-archive:${await fileOf(THIS_FILE, 'app.tar', archive)}`;
    await slipway.must(['push', '-q', '--compression', 'zstd', '--from', from, image]);
  });

  const expected = `${createHash('sha256').update(CONTENT).digest('hex')}  /content`;

  test("Docker with containerd's store pulls and runs them", {
    skip: missingNewerDocker(),
  }, async () => {
    const { docker } = await startDockerd(THIS_FILE, { newer: 'containerd' });
    assert.equal((await docker('run', '--rm', '--network=none', image)).trim(), expected);
  });

  test('a newer Docker with a store of its own pulls and runs them', {
    skip: missingNewerDocker(),
  }, async () => {
    const { docker } = await startDockerd(THIS_FILE, { newer: 'classic' });
    assert.equal((await docker('run', '--rm', '--network=none', image)).trim(), expected);
  });

  test('Podman pulls and runs them', { skip: missingEngine('podman', 'runc') }, async () => {
    const { podman } = await preparePodman(THIS_FILE);
    await podman('pull', '--quiet', '--tls-verify=false', image);
    assert.equal((await podman('run', '--rm', '--network=none', image)).trim(), expected);
  });
});
