import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../rig/lifetime.ts';
import { PODMAN_BASE, preparePodmanWithBase } from '../rig/podman-base.ts';
import { missingEngine } from '../rig/programs.ts';
import { prepareSlipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { engineCases } from './build-cases.ts';

const skip = missingEngine('buildah', 'podman', 'busybox', 'runc');

engineCases('buildah', skip, async () => {
  const { env } = await preparePodmanWithBase(THIS_FILE);
  return { name: 'buildah', env, base: PODMAN_BASE, hasSecrets: true };
});

test('where buildah can run nothing, the error says what may help', { skip }, async (t) => {
  const { env } = await preparePodmanWithBase(t);
  const folder = await tempDir(t);
  const config = path.join(folder, 'containers.conf');
  await writeFile(config, '[engine]\nruntime = "no-such-runtime"\n');
  const slipway = await prepareSlipway(t);
  const { BUILDAH_ISOLATION: _, ...rest } = env;
  const { code, stderr } = await slipway.run(['build', '--engine', 'buildah', '-'], {
    env: { ...rest, CONTAINERS_CONF: config },
    stdin: `FROM ${PODMAN_BASE}\nRUN echo hello\n`,
  });
  assert.equal(code, 20, stderr);
  assert.match(stderr, /hint: .*--isolation chroot/);
});
