import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Docker } from './dockerd.ts';
import { type Owner, tempDir } from './lifetime.ts';
import { findProgram, mustRun } from './programs.ts';

/** A folder with a static busybox: the root of an image that runs. */
export async function busyboxRoot(owner: Owner): Promise<string> {
  const root = path.join(await tempDir(owner), 'root');
  await mkdir(path.join(root, 'bin'), { recursive: true });
  await copyFile(findProgram('busybox') ?? 'busybox', path.join(root, 'bin/busybox'));
  for (const name of ['sh', 'cat', 'echo']) {
    await symlink('busybox', path.join(root, 'bin', name));
  }
  return root;
}

/** Imports a busybox into the engine as `base:latest`. */
export async function importBase(owner: Owner, { docker }: Pick<Docker, 'docker'>): Promise<void> {
  const root = await busyboxRoot(owner);
  const tar = path.join(path.dirname(root), 'base.tar');
  await mustRun('tar', ['-C', root, '-cf', tar, '.']);
  await docker('import', tar, 'base:latest');
}

/**
 * Builds `name` with the engine from `base:latest`: a layer that all builds share, one with the
 * given text, and one that a command makes. Running it prints the text.
 */
export async function buildTestImage(
  owner: Owner,
  { docker }: Pick<Docker, 'docker'>,
  name: string,
  text: string,
): Promise<void> {
  const context = await tempDir(owner);
  await writeFile(path.join(context, 'shared'), 'the same in every build\n'.repeat(1_000));
  await writeFile(path.join(context, 'text'), `${text}\n`);
  await writeFile(
    path.join(context, 'Dockerfile'),
    [
      'FROM base:latest',
      'COPY shared /shared',
      'RUN echo made by a command > /made',
      'COPY text /text',
      'LABEL org.example.text="a label"',
      'CMD ["/bin/cat", "/text"]',
      '',
    ].join('\n'),
  );
  await docker('build', '--network=none', '--quiet', '--tag', name, context);
}
