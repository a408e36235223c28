import { missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { importBase } from '../rig/images.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { engineCases } from './build-cases.ts';

engineCases('docker buildx', missingNewerDocker(), async () => {
  const docker = await startDockerd(THIS_FILE, { newer: 'containerd' });
  await importBase(THIS_FILE, docker);
  // This engine has no network of its own for commands.
  const options = ['--network', 'none'];
  return { name: 'buildx', env: docker.env, base: 'base:latest', options, hasSecrets: true };
});
