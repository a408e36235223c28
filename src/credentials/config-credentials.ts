import type { RepositoryName } from '../oci/reference.ts';
import type { Credential, CredentialLookup } from './credential.ts';
import {
  type ConfigReader,
  type DockerConfig,
  dockerConfigPath,
  dockerConfigReader,
} from './docker-config.ts';
import { findLogin } from './logins.ts';
import { type HelperOptions, helperGet } from './program.ts';
import { hostOfKey, hostVariants, serverKey } from './server-key.ts';

/**
 * Looks credentials up as docker does: with the helper that a docker config file names for the
 * registry (`credHelpers`) or for all (`credsStore`), then in the file's own `auths`. The file is
 * read once, when the first registry is asked for, and a helper asked once for each; a file that
 * isn't there knows nobody.
 *
 * @throws SlipwayError `CONFIG_INVALID` (from the lookup) for a file or helper that can't be used,
 * `COMMAND_FAILED` for a helper that fails
 */
export function dockerConfigCredentials(
  path: string = dockerConfigPath(),
  options: HelperOptions = {},
): CredentialLookup {
  return configCredentials(dockerConfigReader(path), options);
}

/** The same for a config that was read elsewhere. */
export function configCredentials(read: ConfigReader, options: HelperOptions): CredentialLookup {
  const asked = new Map<string, Promise<Credential | undefined>>();
  const askHelper = (name: string, server: string): Promise<Credential | undefined> => {
    // A failure is remembered too: it would ask the user for the passphrase again and again.
    const answer = asked.get(server) ?? helperGet(name, server, options);
    asked.set(server, answer);
    return answer;
  };
  return async (repository: RepositoryName) => {
    const config = await read();
    const helper = helperFor(config, repository.host);
    const found =
      helper === undefined ? undefined : await askHelper(helper, serverKey(repository.host));
    return found ?? findLogin(config, repository);
  };
}

/** The name of the credential helper that keeps the login of a host; undefined: the file does. */
export function helperFor(config: DockerConfig, host: string): string | undefined {
  const { credHelpers, credsStore } = config;
  const hosts = hostVariants(host);
  const exact = [serverKey(host), ...hosts].find((name) => credHelpers.has(name));
  const key =
    exact ?? [...credHelpers.keys()].find((name) => hosts.includes(hostOfKey(name) ?? ''));
  // An empty name says: not with the helper of all the others.
  const name = key === undefined ? credsStore : credHelpers.get(key);
  return name === '' ? undefined : name;
}
