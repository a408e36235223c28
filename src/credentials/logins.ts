import { isJsonObject, type JsonObject } from '../oci/json.ts';
import { DOCKER_HUB, type RepositoryName } from '../oci/reference.ts';
import type { Credential } from './credential.ts';
import { configInvalid, type DockerConfig } from './docker-config.ts';
import { hostOfKey, hostVariants, serverKey } from './server-key.ts';

/**
 * The login for a repository in the `auths` of a config: the entry for the repository itself, or for
 * the nearest part of its path (containers-auth.json), or for its host; then one with a scheme or an
 * API version, as old dockers wrote. An entry for another path of the host is for that path only,
 * and an entry without content is none.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function findLogin(
  config: DockerConfig,
  { host, path }: RepositoryName,
): Credential | undefined {
  const { auths, where } = config;
  const login = (key: string, scope?: string): Credential | undefined => {
    const entry = Object.hasOwn(auths, key) ? auths[key] : undefined;
    if (entry === undefined || entry === null) return undefined;
    if (!isJsonObject(entry)) throw configInvalid(where, `the login of ${host} is no object`);
    const found = credentialOf(entry, host, where);
    return found === undefined || scope === undefined ? found : { ...found, scope };
  };
  for (let scope = `${host}/${path}`; scope !== host; scope = scope.replace(/\/[^/]*$/, '')) {
    const found = login(scope, scope);
    if (found !== undefined) return found;
  }
  const hosts = hostVariants(host);
  const forms = Object.keys(auths).filter((key) => hosts.includes(hostOfKey(key) ?? ''));
  for (const key of [serverKey(host), ...hosts, ...forms]) {
    const found = login(key);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Undefined for an entry that only says that a helper knows. */
function credentialOf(entry: JsonObject, host: string, where: string): Credential | undefined {
  const text = (name: string): string => {
    const value = entry[name] ?? '';
    if (typeof value === 'string') return value;
    throw configInvalid(where, `the "${name}" of ${host} is no text`, { host, hint: again(host) });
  };
  let username = text('username');
  let password = text('password');
  const auth = text('auth');
  if (auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon < 1) {
      const how = `the "auth" of ${host} isn't valid`;
      throw configInvalid(where, how, { host, hint: again(host) });
    }
    username = decoded.slice(0, colon);
    // docker pads with NUL bytes in old files.
    password = decoded.slice(colon + 1).replace(/\0+$/, '');
  }
  const identityToken = text('identitytoken');
  const registryToken = text('registrytoken');
  if (username === '' && identityToken === '' && registryToken === '') return undefined;
  return {
    username,
    password,
    ...(identityToken === '' ? {} : { identityToken }),
    ...(registryToken === '' ? {} : { registryToken }),
  };
}

function again(host: string): string {
  return `log in again: slipway login${host === DOCKER_HUB ? '' : ` ${host}`}`;
}
