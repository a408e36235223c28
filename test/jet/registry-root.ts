import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { busyboxRoot } from '../rig/images.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { findProgram, mustRun } from '../rig/programs.ts';

/** Debian's docker-registry as the files of an image that listens on port 5000. */
export async function registryRoot(owner: Owner): Promise<{
  readonly tar: string;
  /** how it is started, as `import --change` takes it */
  readonly command: string;
}> {
  const root = await busyboxRoot(owner);
  const program = findProgram('docker-registry') ?? 'docker-registry';
  const libraries = (await mustRun('ldd', [program])).matchAll(/(\/\S+\.so\S*)/g);
  for (const [file] of [...libraries, [program]]) {
    const to = path.join(root, file ?? '');
    await mkdir(path.dirname(to), { recursive: true });
    await writeFile(to, await readFile(file ?? ''), { mode: 0o755 });
  }
  const config = {
    version: '0.1',
    storage: { filesystem: { rootdirectory: '/storage' } },
    http: { addr: '0.0.0.0:5000', secret: 'only for tests' },
  };
  await writeFile(path.join(root, 'config.yml'), JSON.stringify(config));
  const tar = path.join(await tempDir(owner), 'registry.tar');
  await mustRun('tar', ['-C', root, '-cf', tar, '.']);
  return { tar, command: `CMD ${JSON.stringify([program, 'serve', '/config.yml'])}` };
}
