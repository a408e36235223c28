import type { CredentialLookup } from './credential.ts';
import { type ConfigReader, dockerConfigPath, dockerConfigReader } from './docker-config.ts';
import { findLogin } from './logins.ts';

/**
 * Looks credentials up in the `auths` of a docker config file. The file is read once, when the
 * first registry is asked for; one that isn't there knows nobody.
 *
 * @throws SlipwayError `CONFIG_INVALID` (from the lookup) for a file that can't be used
 */
export function dockerConfigCredentials(path: string = dockerConfigPath()): CredentialLookup {
  return configCredentials(dockerConfigReader(path));
}

/** Looks credentials up in a config. */
function configCredentials(read: ConfigReader): CredentialLookup {
  return async (repository) => findLogin(await read(), repository);
}
