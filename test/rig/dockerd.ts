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
  /** the newer Docker, with BuildKit and buildx, keeping images in containerd's store or its own */
  readonly newer?: 'containerd' | 'classic';
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
    ...(newer === undefined ? DEBIANS_OWN : NEWER),
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
  if (newer !== undefined) {
    const features = { 'containerd-snapshotter': newer === 'containerd' };
    await writeFile(at('daemon.json'), JSON.stringify({ features }));
    args.push(`--config-file=${at('daemon.json')}`);
    const plugin = 'cli-plugins/docker-buildx';
    await mkdir(at('config/cli-plugins'));
    await symlink(ofNewer('usr/libexec/docker', plugin), at(`config/${plugin}`));
  }
  const program = newer === undefined ? 'docker' : ofNewer('usr/bin/docker');
  const daemon = await startDaemon(
    owner,
    newer === undefined ? 'dockerd' : ofNewer('usr/sbin/dockerd'),
    args,
    { HOME: folder, ...(newer === undefined ? {} : NEWER) },
    // It may answer on its socket before it has told where else it listens.
    async (log) =>
      (certificates === undefined || LISTENS.test(log)) &&
      (await run(program, ['version'], { env })).code === 0,
  );
  const [, tcpHost = ''] = LISTENS.exec(daemon.log()) ?? [];
  return {
    env,
    docker: (...args) => mustRun(program, args, { env }),
    tryDocker: (...args) => run(program, args, { env }),
    tcpHost,
    pid: daemon.pid,
  };
}

const LISTENS = /API listen on (127\.0\.0\.1:[1-9][0-9]*)/;

/** Debian's docker has no BuildKit that its engine could use. */
const DEBIANS_OWN = { DOCKER_BUILDKIT: '0' };

/**
 * Root of an unpacked Docker 26 or later with containerd and buildx, which Debian 12 hasn't: its
 * packages `docker.io docker-cli containerd docker-buildx` of the next release, by `dpkg -x`.
 * `.ci/run` unpacks one.
 */
const ROOT = process.env.SLIPWAY_NEWER_DOCKER ?? '';
const ofNewer = (...parts: readonly string[]) => path.join(ROOT, ...parts);

const NEWER = {
  PATH: [
    ...['usr/bin', 'usr/sbin', 'usr/libexec/docker'].map((part) => ofNewer(part)),
    ...['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
  ].join(':'),
};

/** Why a test that needs the newer Docker is skipped, or false. */
export function missingNewerDocker(): string | false {
  if (existsSync(ofNewer('usr/sbin/dockerd'))) return missingEngine('docker', 'runc');
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
