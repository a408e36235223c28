import { keepLogin } from '../bytes/secrets.ts';
import { configCredentials } from '../credentials/config-credentials.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import { parseDockerConfig } from '../credentials/docker-config.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { isJsonObject, parseJsonObject } from '../oci/json.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * The logins of a docker config in memory, in both layouts: `config.json` with `auths`, and the older
 * `.dockercfg`, a map of registries.
 *
 * @param where names it in errors, which never show its text
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function dockercfgLogins(bytes: Uint8Array, where: string): CredentialLookup {
  let json: Readonly<Record<string, unknown>>;
  try {
    json = parseJsonObject(bytes, 'it', MAX_CONFIG_BYTES);
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    // The parser would quote what it found.
    throw new SlipwayError('CONFIG_INVALID', `Failed to parse dockercfg: ${where} holds no JSON`, {
      hint: 'it is encrypted with another key, or was changed; encrypt it again',
    });
  }
  const isOld = !isJsonObject(json.auths) && Object.values(json).some(isJsonObject);
  // Helpers that it names are programs of another machine.
  const { auths } = isOld ? { auths: json } : json;
  const config = parseDockerConfig(Buffer.from(JSON.stringify({ auths: auths ?? {} })), where);
  const find = configCredentials(async () => config, {});
  return async (repository) => {
    const found = await find(repository);
    if (found !== undefined) keepLogin(found.username, found.password);
    return found;
  };
}
