import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Owner, tempDir } from './lifetime.ts';
import { mustRun, type RunResult, run, startDaemon } from './programs.ts';

/** A podman (and buildah and skopeo) with a storage of its own. */
export interface Podman {
  readonly env: Readonly<Record<string, string>>;
  /** Runs `podman …`, which must succeed. */
  podman(...args: readonly string[]): Promise<string>;
  /** Runs `podman …`, whatever comes out. */
  tryPodman(...args: readonly string[]): Promise<RunResult>;
}

/** Prepares an environment in which podman and buildah work as root without any network. */
export async function preparePodman(owner: Owner): Promise<Podman> {
  const folder = await tempDir(owner);
  const at = (name: string) => path.join(folder, name);
  await mkdir(at('run'));
  await writeFile(at('auth.json'), '{}');
  await writeFile(
    at('storage.conf'),
    `[storage]\ndriver = "vfs"\nrunroot = "${at('runroot')}"\ngraphroot = "${at('root')}"\n`,
  );
  await writeFile(
    at('containers.conf'),
    [
      '[containers]',
      'default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]',
      '[engine]',
      'runtime = "runc"',
      'cgroup_manager = "cgroupfs"',
      'events_logger = "file"',
      `tmp_dir = "${at('tmp')}"`,
      '',
    ].join('\n'),
  );
  const env = {
    HOME: folder,
    XDG_RUNTIME_DIR: at('run'),
    CONTAINERS_STORAGE_CONF: at('storage.conf'),
    CONTAINERS_CONF: at('containers.conf'),
    REGISTRY_AUTH_FILE: at('auth.json'),
    BUILDAH_ISOLATION: 'chroot',
  };
  return {
    env,
    podman: (...args) => mustRun('podman', args, { env }),
    tryPodman: (...args) => run('podman', args, { env }),
  };
}

/** Starts podman's service, which speaks docker's API, and gives its `DOCKER_HOST`. */
export async function startPodmanService(owner: Owner, { env }: Podman): Promise<string> {
  const host = `unix://${path.join(await tempDir(owner), 's')}`;
  await startDaemon(owner, 'podman', ['system', 'service', '--time=0', host], env, async () => {
    const { code } = await run('podman', ['--url', host, 'version'], { env });
    return code === 0;
  });
  return host;
}
