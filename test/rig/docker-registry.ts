import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Owner, tempDir } from './lifetime.ts';
import { mustRun, startDaemon } from './programs.ts';

export interface RegistryOptions {
  /** users and their passwords; without it everybody may do everything */
  readonly users?: Readonly<Record<string, string>>;
  /** in the place of users: what its `auth: token` is to be */
  readonly token?: Readonly<Record<string, unknown>>;
  /** whether manifests and blobs can be deleted */
  readonly canDelete?: boolean;
}

export interface RunningRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly storage: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Starts Debian's `docker-registry` (the CNCF registry) on loopback with an empty storage. */
export async function startDockerRegistry(
  owner: Owner,
  { users, token, canDelete = true }: RegistryOptions = {},
): Promise<RunningRegistry> {
  const folder = await tempDir(owner);
  const storage = path.join(folder, 'storage');
  await mkdir(storage);
  const config: Record<string, unknown> = {
    version: '0.1',
    // It tells its port at this level only.
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: canDelete } },
    http: { addr: '127.0.0.1:0', secret: 'only for tests' },
  };
  if (users !== undefined) {
    const file = path.join(folder, 'htpasswd');
    await writeFile(file, await htpasswd(users));
    config.auth = { htpasswd: { realm: 'test', path: file } };
  }
  if (token !== undefined) config.auth = { token };
  const file = path.join(folder, 'config.yml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config));
  let host = '';
  const daemon = await startDaemon(owner, 'docker-registry', ['serve', file], {}, async (log) => {
    host = /listening on (127\.0\.0\.1:[0-9]+)/.exec(log)?.[1] ?? '';
    return host !== '' && (await fetch(`http://${host}/v2/`)).status < 500;
  });
  return { host, storage, pid: daemon.pid, stop: daemon.stop };
}

/** The text of an htpasswd file with bcrypt hashes. */
export async function htpasswd(users: Readonly<Record<string, string>>): Promise<string> {
  const lines = Object.entries(users).map(([user, password]) =>
    mustRun('htpasswd', ['-niBC', '5', user], { stdin: password }),
  );
  return `${(await Promise.all(lines)).map((line) => line.trim()).join('\n')}\n`;
}
