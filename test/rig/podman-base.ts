import path from 'node:path';
import { busyboxRoot } from './images.ts';
import { type Owner, tempDir } from './lifetime.ts';
import { type Podman, preparePodman } from './podman.ts';
import { mustRun } from './programs.ts';

/** The base image of {@link preparePodmanWithBase}. */
export const PODMAN_BASE = 'localhost/base:latest';

/** podman and buildah with an image that holds a busybox. */
export async function preparePodmanWithBase(owner: Owner): Promise<Podman> {
  const podman = await preparePodman(owner);
  const root = await busyboxRoot(owner);
  const tar = path.join(await tempDir(owner), 'base.tar');
  await mustRun('tar', ['-C', root, '-cf', tar, '.']);
  await podman.podman('import', tar, PODMAN_BASE);
  return podman;
}
