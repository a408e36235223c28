import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { hostVariants } from '../../credentials/server-key.ts';
import { systemCode } from '../../errors.ts';
import { isHost } from '../../oci/reference.ts';
import { readCertificateFiles } from './certificate-files.ts';
import { ALL_CAPABILITIES, type HostConfigLookup } from './endpoint.ts';
import { isAbsent, readTextIfThere, unusable } from './files.ts';
import { readHostsToml } from './hosts-toml.ts';

/**
 * The folders in which settings of registries are looked for: those of `SLIPWAY_CERTS_D` (with `:`
 * between them), else the user's and the machine's of containerd, podman and docker.
 */
export function hostsFolders(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const own = (env.SLIPWAY_CERTS_D ?? '').split(delimiter).filter((folder) => folder !== '');
  if (own.length > 0) return own;
  const config = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config');
  return [config, '/etc'].flatMap((place) =>
    ['containerd', 'containers', 'docker'].map((tool) => join(place, tool, 'certs.d')),
  );
}

/**
 * Looks up what folders like `/etc/containerd/certs.d` and `/etc/docker/certs.d` say about a
 * registry. The first folder that has one for the host is read, and nothing else: its `hosts.toml`,
 * or without one its certificates. Without any, `_default` is read in the same way.
 *
 * @throws SlipwayError `CONFIG_INVALID` (from the lookup) for what can't be used
 */
export function hostsFromFolders(folders: readonly string[] = hostsFolders()): HostConfigLookup {
  return async (host) => {
    if (!isHost(host)) return undefined;
    // Mostly there are none: a third of the looks at the disk that all names in each would take.
    const isThere = await Promise.all(folders.map(isFolder));
    const existing = folders.filter((_, at) => isThere[at]);
    for (const name of [...namesOf(host), '_default']) {
      for (const folder of existing) {
        const found = join(folder, name);
        if (!(await isFolder(found))) continue;
        const file = join(found, 'hosts.toml');
        const text = await readTextIfThere(file);
        if (text !== undefined && text.trim() !== '') return await readHostsToml(file, text);
        const tls = await readCertificateFiles(found);
        const server = { basePath: '/v2', capabilities: ALL_CAPABILITIES, tls, headers: {} };
        return { where: found, mirrors: [], server };
      }
    }
    return undefined;
  };
}

/** What a registry's folder may be called; containerd writes `name_port_` where `:` is not allowed. */
function namesOf(host: string): readonly string[] {
  return hostVariants(host).flatMap((each) => [
    ...new Set([each.replace(/:([0-9]+)$/, '_$1_'), each]),
  ]);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw unusable(path, `it can't be read (${systemCode(error)})`, undefined, error);
  }
}
