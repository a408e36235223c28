import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Docker, unmountBelow } from './dockerd.ts';
import { atEnd, type Owner, tempDir } from './lifetime.ts';
import { missingEngine, mustRun, run, skipReason, startDaemon } from './programs.ts';

/**
 * Root of an unpacked Docker 26 or later with containerd and buildx, which Debian 12 hasn't: its
 * packages `docker.io docker-cli containerd docker-buildx` of the next release, by `dpkg -x`.
 */
const ROOT = process.env.SLIPWAY_NEWER_DOCKER ?? '';

/** An engine, without what only Debian's own tells. */
type DockerCommand = Pick<Docker, 'env' | 'docker' | 'tryDocker'>;

/** Why tests with a newer Docker are skipped, or false. */
export function missingNewerDocker(): string | false {
  if (ROOT === '') {
    return skipReason('needs SLIPWAY_NEWER_DOCKER, the root of an unpacked Docker 26 with buildx');
  }
  return missingEngine('runc');
}

/** Starts a Docker with BuildKit and buildx; it keeps images in containerd's store, or in its own. */
export async function startNewerDockerd(
  owner: Owner,
  { store = 'containerd' }: { readonly store?: 'containerd' | 'classic' } = {},
): Promise<DockerCommand> {
  const folder = await tempDir(owner);
  const at = (name: string) => path.join(folder, name);
  const part = (name: string) => path.join(ROOT, name);
  await mkdir(at('config/cli-plugins'), { recursive: true });
  const plugin = 'cli-plugins/docker-buildx';
  await symlink(part(`usr/libexec/docker/${plugin}`), at(`config/${plugin}`));
  const features = { 'containerd-snapshotter': store === 'containerd' };
  await writeFile(at('daemon.json'), JSON.stringify({ features }));
  atEnd(owner, () => unmountBelow(folder));
  const programs = ['usr/bin', 'usr/sbin', 'usr/libexec/docker'].map(part);
  const env = {
    DOCKER_HOST: `unix://${at('s')}`,
    DOCKER_CONFIG: at('config'),
    HOME: folder,
    PATH: [...programs, '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':'),
  };
  const flags = {
    'config-file': at('daemon.json'),
    iptables: 'false',
    ip6tables: 'false',
    bridge: 'none',
    'data-root': at('data'),
    'exec-root': at('exec'),
    host: env.DOCKER_HOST,
    pidfile: at('pid'),
  };
  const docker = part('usr/bin/docker');
  await startDaemon(
    owner,
    part('usr/sbin/dockerd'),
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    { HOME: folder, PATH: env.PATH },
    async () => (await run(docker, ['version'], { env })).code === 0,
  );
  return {
    env,
    docker: (...args) => mustRun(docker, args, { env }),
    tryDocker: (...args) => run(docker, args, { env }),
  };
}
