import { startPodmanService } from '../rig/podman.ts';
import { PODMAN_BASE, preparePodmanWithBase } from '../rig/podman-base.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { engineCases } from './build-cases.ts';

engineCases("podman's API", missingEngine('podman', 'busybox', 'runc'), async () => {
  const podman = await preparePodmanWithBase(THIS_FILE);
  const host = await startPodmanService(THIS_FILE, podman);
  return {
    name: 'podman',
    env: { ...podman.env, CONTAINER_HOST: host },
    base: PODMAN_BASE,
    options: ['--isolation', 'chroot'],
    hasSecrets: false,
  };
});
