import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { atEnd, type Owner, tempDir } from './lifetime.ts';
import { mustRun, type RunResult, run, startDaemon } from './programs.ts';

/** A running Docker engine of its own, and the `docker` command that talks to it. */
export interface Docker {
  /** `DOCKER_HOST` and `DOCKER_CONFIG` */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `docker …`, which must succeed. */
  docker(...args: readonly string[]): Promise<string>;
  /** Runs `docker …`, whatever comes out. */
  tryDocker(...args: readonly string[]): Promise<RunResult>;
}

/** Starts a `dockerd` without networks; registries on loopback need no TLS for it. */
export async function startDockerd(owner: Owner): Promise<Docker> {
  const folder = await tempDir(owner);
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('config'));
  atEnd(owner, () => unmountBelow(folder));
  const env = {
    DOCKER_HOST: `unix://${at('s')}`,
    DOCKER_CONFIG: at('config'),
    HOME: folder,
    // Debian's docker has no BuildKit that this engine could use.
    DOCKER_BUILDKIT: '0',
  };
  const flags = {
    iptables: 'false',
    ip6tables: 'false',
    bridge: 'none',
    'data-root': at('data'),
    'exec-root': at('exec'),
    host: env.DOCKER_HOST,
    pidfile: at('pid'),
  };
  await startDaemon(
    owner,
    'dockerd',
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    { HOME: folder },
    async () => (await run('docker', ['version'], { env })).code === 0,
  );
  return {
    env,
    docker: (...args) => mustRun('docker', args, { env }),
    tryDocker: (...args) => run('docker', args, { env }),
  };
}

/** Where mounts aren't shared (in containers), an engine leaves its data folder mounted on itself. */
async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${folder}/`));
  for (const target of mounts.reverse()) await run('umount', ['--lazy', target]);
}
