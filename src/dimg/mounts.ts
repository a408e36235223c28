import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageConfig, MountRule } from './config.ts';
import type { DimgSession } from './session.ts';

/** Makes the folders that the containers of an image see, as `FOLDER:PATH`; temporary ones go at the end. */
export async function withMounts<T>(
  session: Pick<DimgSession, 'buildDir' | 'tmpDirPrefix' | 'hold'>,
  { mounts }: ImageConfig,
  work: (volumes: readonly string[]) => Promise<T>,
): Promise<T> {
  if (mounts.some(({ kind }) => kind === 'build_dir')) await session.hold(session.buildDir);
  const temporary = await mkdtemp(join(session.tmpDirPrefix, 'slipway-dimg-'));
  try {
    const volumes: string[] = [];
    for (const mount of mounts) {
      volumes.push(`${await mountFolder(session.buildDir, mount, temporary)}:${mount.to}`);
    }
    return await work(volumes);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function mountFolder(buildDir: string, mount: MountRule, temporary: string): Promise<string> {
  if (mount.kind === 'custom') return mount.from;
  const name = encodeURIComponent(mount.to);
  const folder = join(mount.kind === 'tmp_dir' ? temporary : join(buildDir, 'mounts'), name);
  await mkdir(folder, { recursive: true });
  return folder;
}
