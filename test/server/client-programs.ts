import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DockerdOptions, missingNewerDocker, startDockerd } from '../rig/dockerd.ts';
import { importBase } from '../rig/images.ts';
import type { Owner } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { PODMAN_BASE, preparePodmanWithBase } from '../rig/podman-base.ts';
import { missing, missingClient, missingEngine, mustRun } from '../rig/programs.ts';

/** A program that talks to registries, with an image to push and settings of its own. */
export interface Client {
  login(host: string, user: string, password: string): Promise<void>;
  /** Pushes its image. */
  push(image: string): Promise<void>;
  /** Pulls an image that isn't here, and gives what it knows it by. */
  pull(image: string): Promise<string>;
  /** What the image that it pushes is known by. */
  readonly id: string;
  /** Deletes a tag or a manifest of the registry; left out where the program can't. */
  remove?(image: string): Promise<void>;
}

export interface ClientKind {
  readonly name: string;
  /** why it can't be tried, or false */
  missing(): string | false;
  /** @param dir a folder of its own, which holds the OCI layout `layout` with the image `v1` */
  start(owner: Owner, dir: string, digest: string): Promise<Client>;
}

export const CLIENTS: readonly ClientKind[] = [
  {
    name: 'docker',
    missing: () => missingEngine('dockerd', 'docker', 'busybox'),
    start: (owner) => docker(owner, {}),
  },
  // Without containerd's store it pushes and pulls as the older one does.
  ...(LONG ? (['classic', 'containerd'] as const) : (['containerd'] as const)).map((newer) => ({
    name: `docker-26-${newer}`,
    missing: missingNewerDocker,
    start: (owner: Owner) => docker(owner, { newer }),
  })),
  { name: 'podman', missing: () => missingEngine('podman', 'runc', 'busybox'), start: podman },
  { name: 'skopeo', missing: () => missing('skopeo'), start: skopeo },
  { name: 'oras', missing: () => missingClient('oras'), start: oras },
  { name: 'crane', missing: () => missingClient('crane'), start: crane },
];

async function docker(owner: Owner, options: DockerdOptions): Promise<Client> {
  const engine = await startDockerd(owner, options);
  await importBase(owner, engine);
  const { docker: run } = engine;
  // With a login in its file, it looks for no credential store of the machine.
  const config = join(engine.env.DOCKER_CONFIG ?? '', 'config.json');
  await writeFile(config, '{"auths":{"registry.invalid":{"auth":"YTpi"}}}');
  const idOf = (image: string) => run('image', 'inspect', '--format', '{{.Id}}', image);
  return {
    id: await idOf('base:latest'),
    login: async (host, user, password) => {
      await run('login', '--username', user, '--password', password, host);
    },
    push: async (image) => {
      await run('tag', 'base:latest', image);
      await run('push', image);
      await run('rmi', image);
    },
    pull: async (image) => {
      await run('rmi', '--force', 'base:latest');
      await run('pull', image);
      const id = await idOf(image);
      await run('tag', image, 'base:latest');
      await run('rmi', image);
      return id;
    },
  };
}

async function podman(owner: Owner): Promise<Client> {
  const { podman: run } = await preparePodmanWithBase(owner);
  const plain = '--tls-verify=false';
  const idOf = (image: string) => run('image', 'inspect', '--format', '{{.Id}}', image);
  return {
    id: await idOf(PODMAN_BASE),
    login: async (host, user, password) => {
      await run('login', plain, '--username', user, '--password', password, host);
    },
    push: async (image) => {
      await run('push', plain, PODMAN_BASE, image);
    },
    pull: async (image) => {
      await run('rmi', '--force', PODMAN_BASE);
      await run('pull', '--quiet', plain, image);
      await run('tag', image, PODMAN_BASE);
      const id = await idOf(image);
      await run('untag', image, image);
      return id;
    },
  };
}

async function skopeo(_: Owner, dir: string, digest: string): Promise<Client> {
  const auth = join(dir, 'auth.json');
  await writeFile(auth, '{}');
  const env = { HOME: dir, REGISTRY_AUTH_FILE: auth };
  const run = (...args: readonly string[]) => mustRun('skopeo', args, { env, cwd: dir });
  return {
    id: digest,
    login: async (host, user, password) => {
      await run('login', '--tls-verify=false', '--username', user, '--password', password, host);
    },
    push: async (image) => {
      await run('copy', '--dest-tls-verify=false', 'oci:layout:v1', `docker://${image}`);
    },
    pull: async (image) => {
      await run('copy', '--src-tls-verify=false', `docker://${image}`, 'oci:back:v1');
      return await run('inspect', '--format', '{{.Digest}}', 'oci:back:v1');
    },
    remove: async (image) => {
      await run('delete', '--tls-verify=false', `docker://${image}`);
    },
  };
}

async function oras(_: Owner, dir: string, digest: string): Promise<Client> {
  const run = (...args: readonly string[]) =>
    mustRun('oras', args, { env: { HOME: dir }, cwd: dir });
  return {
    id: digest,
    login: async (host, user, password) => {
      await run('login', '--plain-http', '--username', user, '--password', password, host);
    },
    push: async (image) => {
      await run('cp', '--from-oci-layout', '--to-plain-http', 'layout:v1', image);
    },
    pull: async (image) => {
      await run('cp', '--from-plain-http', '--to-oci-layout', image, 'back:v1');
      const found = await run('resolve', '--oci-layout', 'back:v1');
      return found.trim();
    },
    remove: async (image) => {
      await run('manifest', 'delete', '--plain-http', '--force', image);
    },
  };
}

async function crane(_: Owner, dir: string, digest: string): Promise<Client> {
  const config = join(dir, 'config');
  await mkdir(config);
  const env = { HOME: dir, DOCKER_CONFIG: config };
  const run = (...args: readonly string[]) =>
    mustRun('crane', ['--insecure', ...args], { env, cwd: dir });
  return {
    id: digest,
    login: async (host, user, password) => {
      await run('auth', 'login', '--username', user, '--password', password, host);
    },
    push: async (image) => {
      await run('push', 'layout', image);
    },
    pull: async (image) => {
      await run('pull', '--format=oci', image, 'back');
      return await run('digest', image);
    },
    remove: async (image) => {
      await run('delete', image);
    },
  };
}
