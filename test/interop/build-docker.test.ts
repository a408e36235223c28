import { startDockerd } from '../rig/dockerd.ts';
import { importBase } from '../rig/images.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { engineCases } from './build-cases.ts';

engineCases("docker's API", missingEngine('dockerd', 'docker', 'busybox'), async () => {
  const docker = await startDockerd(THIS_FILE);
  await importBase(THIS_FILE, docker);
  return { name: 'docker', env: docker.env, base: 'base:latest', hasSecrets: false };
});
