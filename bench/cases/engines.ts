import type { Docker } from '../../test/rig/dockerd.ts';
import { atEnd } from '../../test/rig/lifetime.ts';
import type { Podman } from '../../test/rig/podman.ts';
import type { Contender } from '../contest.ts';

/** An engine that holds the image `bench:1`. */
export interface Engine {
  /** as it is called within a sentence */
  readonly title: string;
  /** what a reader of its figures has to know */
  readonly about: string;
  /** how Slipway finds it */
  readonly env: Readonly<Record<string, string>>;
  readonly daemonPid?: number;
  readonly pushName: string;
  /** its own push */
  readonly push: Contender;
  version(): Promise<string>;
  /** Runs its command, which must succeed. */
  command(...args: readonly string[]): Promise<string>;
}

/** A Docker engine with one of its stores. */
export function ofDocker({ docker, env, pid }: Docker, store: string): Engine {
  const { DOCKER_HOST = '' } = env;
  const pushName = 'docker push';
  return {
    title: `a Docker engine with ${store} store`,
    about: "CPU time holds the engine's.",
    env: { DOCKER_HOST },
    daemonPid: pid,
    pushName,
    push: pushOf(pushName, ['docker', 'push', '-q'], docker, { env, daemonPid: pid }),
    version: async () => `Docker ${await docker('version', '--format', '{{.Server.Version}}')}`,
    command: docker,
  };
}

/** Podman, and its service for others. */
export function ofPodman({ podman, env }: Podman, dockerHost: string): Engine {
  const pushName = 'podman push';
  const command = ['podman', 'push', '-q', '--tls-verify=false'];
  return {
    title: 'Podman',
    about: "CPU time of Slipway's rows lacks that of Podman's service.",
    env: { DOCKER_HOST: dockerHost },
    pushName,
    push: pushOf(pushName, command, podman, { env }),
    version: async () => `Podman ${await podman('version', '--format', '{{.Client.Version}}')}`,
    command: podman,
  };
}

function pushOf(
  name: string,
  command: readonly string[],
  run: Engine['command'],
  more: { readonly env: Readonly<Record<string, string>>; readonly daemonPid?: number },
): Contender {
  return {
    name,
    prepare: async ({ host, owner }) => {
      await run('tag', 'bench:1', `${host}/bench:1`);
      atEnd(owner, async () => {
        await run('rmi', `${host}/bench:1`);
      });
    },
    publish: ({ host, env }) => [
      { ...more, args: [...command, `${host}/bench:1`], env: { ...env, ...more.env } },
    ],
  };
}
