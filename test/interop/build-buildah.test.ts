import { PODMAN_BASE, preparePodmanWithBase } from '../rig/podman-base.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { engineCases } from './build-cases.ts';

engineCases('buildah', missingEngine('buildah', 'podman', 'busybox', 'runc'), async () => {
  const { env } = await preparePodmanWithBase(THIS_FILE);
  return { name: 'buildah', env, base: PODMAN_BASE, hasSecrets: true };
});
