import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../oci/json.ts';
import { DOCKER_HUB, type RepositoryName } from '../oci/reference.ts';
import type { Credential, CredentialLookup } from './credential.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** The key under which docker keeps the credentials of Docker Hub. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
const DOCKER_HUB_NAMES = ['index.docker.io', 'docker.io', 'registry-1.docker.io'];

/** The docker config file: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigPath(env: NodeJS.ProcessEnv = process.env): string {
  const folder = env.DOCKER_CONFIG;
  return join(folder ? folder : join(homedir(), '.docker'), 'config.json');
}

/**
 * Looks credentials up in the `auths` of a docker config file. The file is read once, when the
 * first registry is asked for; one that isn't there means anonymous.
 *
 * @throws SlipwayError `CONFIG_INVALID` (from the lookup) for a file that can't be used
 */
export function dockerConfigCredentials(path: string = dockerConfigPath()): CredentialLookup {
  let config: Promise<JsonObject> | undefined;
  return async (repository) => {
    config ??= readConfig(path);
    const { auths } = await config;
    if (auths === undefined || auths === null) return undefined;
    if (!isJsonObject(auths)) throw invalid(path, 'its "auths" is no object');
    const entry = entryFor(auths, repository);
    return entry === undefined ? undefined : credentialOf(entry, repository.host, path);
  };
}

async function readConfig(path: string): Promise<JsonObject> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const failure = fileError(path, error);
    if (isSlipwayError(failure, 'FILE_NOT_FOUND') && failure.message.includes('no such')) return {};
    throw new SlipwayError('CONFIG_INVALID', `can't read ${path}`, { path, cause: error });
  }
  try {
    return parseJsonObject(bytes, 'it', MAX_CONFIG_BYTES);
  } catch (error) {
    throw invalid(path, isSlipwayError(error) ? error.message : 'it is not valid');
  }
}

/**
 * The entry for the repository itself, or for the nearest part of its path (as containers/image
 * keeps them), or for its host; then one with a scheme or an API version, as old dockers wrote.
 * An entry for another path of the host is for that path only.
 */
function entryFor(auths: JsonObject, { host, path }: RepositoryName): JsonObject | undefined {
  const own = (key: string): JsonObject | undefined => {
    const entry = Object.hasOwn(auths, key) ? auths[key] : undefined;
    return isJsonObject(entry) ? entry : undefined;
  };
  for (let scope = `${host}/${path}`; scope !== host; scope = scope.replace(/\/[^/]*$/, '')) {
    const entry = own(scope);
    if (entry !== undefined) return entry;
  }
  const exact = own(host === DOCKER_HUB ? DOCKER_HUB_KEY : host);
  if (exact !== undefined) return exact;
  const hosts: readonly string[] = host === DOCKER_HUB ? DOCKER_HUB_NAMES : [host];
  const key = Object.keys(auths).find((name) => hosts.includes(hostOfKey(name) ?? ''));
  return key === undefined ? undefined : own(key);
}

/** Undefined for a key that holds a path. */
function hostOfKey(key: string): string | undefined {
  return /^(?:https?:\/\/)?([^/]+)(?:\/|\/v[12]\/?)?$/.exec(key)?.[1];
}

function credentialOf(entry: JsonObject, host: string, path: string): Credential | undefined {
  const text = (name: string) => (typeof entry[name] === 'string' ? (entry[name] as string) : '');
  let username = text('username');
  let password = text('password');
  const auth = text('auth');
  if (auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon < 1) throw invalid(path, `the "auth" of ${host} isn't valid`, host);
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

/** The text itself is never quoted: it holds passwords. */
function invalid(path: string, how: string, host?: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${path}: ${how}`, {
    path,
    ...(host === undefined ? {} : { host }),
    hint:
      host === undefined
        ? 'mend the file, or point DOCKER_CONFIG at another folder'
        : `log in again: docker login ${host}`,
  });
}
