import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../oci/json.ts';
import { DOCKER_HUB } from '../oci/reference.ts';
import type { Credential, CredentialLookup } from './credential.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** The key under which docker keeps the credentials of Docker Hub. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';

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
  return async ({ host }) => {
    config ??= readConfig(path);
    const { auths } = await config;
    if (!isJsonObject(auths)) return undefined;
    const entry = entryFor(auths, host);
    return entry === undefined ? undefined : credentialOf(entry, host, path);
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
    return parseJsonObject(bytes, path, MAX_CONFIG_BYTES);
  } catch (error) {
    // The text itself is never quoted: it holds passwords.
    throw new SlipwayError('CONFIG_INVALID', isSlipwayError(error) ? error.message : path, {
      path,
      hint: 'mend the file, or point DOCKER_CONFIG at another folder',
    });
  }
}

/** The exact key first, then any key whose host part is this host, as docker does. */
function entryFor(auths: JsonObject, host: string): JsonObject | undefined {
  const key = host === DOCKER_HUB ? DOCKER_HUB_KEY : host;
  if (Object.hasOwn(auths, key) && isJsonObject(auths[key])) return auths[key];
  for (const [name, entry] of Object.entries(auths)) {
    if (isJsonObject(entry) && hostOfKey(name) === hostOfKey(key)) return entry;
  }
  return undefined;
}

function hostOfKey(key: string): string {
  return key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

function credentialOf(entry: JsonObject, host: string, path: string): Credential | undefined {
  const text = (name: string) => (typeof entry[name] === 'string' ? (entry[name] as string) : '');
  let username = text('username');
  let password = text('password');
  const auth = text('auth');
  if (auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon < 1) {
      throw new SlipwayError('CONFIG_INVALID', `${path}: the "auth" of ${host} isn't valid`, {
        path,
        host,
        hint: `log in again: docker login ${host}`,
      });
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
