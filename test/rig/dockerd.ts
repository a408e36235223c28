import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { atEnd, type Owner, tempDir } from './lifetime.ts';
import {
  missingEngine,
  mustRun,
  type RunResult,
  run,
  skipReason,
  startDaemon,
} from './programs.ts';

/** A running Docker engine of its own, and the `docker` command that talks to it. */
export interface Docker {
  /** `DOCKER_HOST` and `DOCKER_CONFIG` */
  readonly env: Readonly<Record<string, string>>;
  /** Runs `docker …`, which must succeed. */
  docker(...args: readonly string[]): Promise<string>;
  /** Runs `docker …`, whatever comes out. */
  tryDocker(...args: readonly string[]): Promise<RunResult>;
  /** `127.0.0.1:PORT` where it also listens, if it has certificates */
  readonly tcpHost: string;
  readonly pid: number;
}

export interface DockerdOptions {
  /** folder with `ca.pem`, `server-cert.pem` and `server-key.pem`: it listens on TCP with TLS too */
  readonly certificates?: string;
  /** folder into which a newer Docker was unpacked: that one is started, with containerd's store */
  readonly newer?: string;
}

/** Starts a `dockerd` without networks; registries on loopback need no TLS for it. */
export async function startDockerd(
  owner: Owner,
  { certificates, newer }: DockerdOptions = {},
): Promise<Docker> {
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
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  if (certificates !== undefined) {
    const pem = (name: string) => path.join(certificates, `${name}.pem`);
    args.push('--host=tcp://127.0.0.1:0', '--tlsverify', `--tlscacert=${pem('ca')}`);
    args.push(`--tlscert=${pem('server-cert')}`, `--tlskey=${pem('server-key')}`);
  }
  const programs: Record<string, string> = {};
  if (newer !== undefined) {
    await writeFile(at('config.json'), '{"features":{"containerd-snapshotter":true}}');
    args.push(`--config-file=${at('config.json')}`);
    const plugin = 'cli-plugins/docker-buildx';
    await mkdir(at('config/cli-plugins'));
    await symlink(path.join(newer, 'usr/libexec/docker', plugin), at(`config/${plugin}`));
    const own = ['usr/sbin', 'usr/bin'].map((part) => path.join(newer, part));
    programs.PATH = [...own, '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':');
  }
  const daemon = await startDaemon(
    owner,
    newer === undefined ? 'dockerd' : path.join(newer, 'usr/sbin/dockerd'),
    args,
    { HOME: folder, ...programs },
    async () => (await run('docker', ['version'], { env })).code === 0,
  );
  const [, tcpHost = ''] = /API listen on (127\.0\.0\.1:[1-9][0-9]*)/.exec(daemon.log()) ?? [];
  return {
    env,
    docker: (...args) => mustRun('docker', args, { env }),
    tryDocker: (...args) => run('docker', args, { env }),
    tcpHost,
    pid: daemon.pid,
  };
}

/** Where tests find a newer Docker than the system's own: `.ci/run` unpacks one there. */
export const NEWER_DOCKER = process.env.SLIPWAY_NEWER_DOCKER ?? '';

/** Why a test that needs a newer Docker is skipped, or false. */
export function missingNewerDocker(): string | false {
  if (existsSync(path.join(NEWER_DOCKER, 'usr/sbin/dockerd'))) return missingEngine('docker');
  return skipReason(
    'needs SLIPWAY_NEWER_DOCKER, the root of an unpacked Docker 26 with containerd and buildx',
  );
}

/**
 * Unmounts what an engine left in its folder. Where mounts aren't shared (in containers), it leaves
 * its data folder mounted on itself.
 */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${folder}/`));
  for (const target of mounts.reverse()) await run('umount', ['--lazy', target]);
}
