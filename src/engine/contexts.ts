import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { dockerConfigPath } from '../credentials/docker-config.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../oci/json.ts';
import { type EngineAddress, parseEngineAddress } from './address.ts';
import { readCertificates } from './certificates.ts';

const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** The name of the docker context in use, or undefined for the default one. */
export async function currentContext(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const name = env.DOCKER_CONTEXT || (await configuredContext(env));
  return name === undefined || name === '' || name === 'default' ? undefined : name;
}

async function configuredContext(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const path = dockerConfigPath(env);
  const config = await readJson(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw new SlipwayError('CONFIG_INVALID', `${path} can't be read`, {
      path,
      hint: 'mend the file, or set DOCKER_HOST',
      cause: error,
    });
  });
  return typeof config?.currentContext === 'string' ? config.currentContext : undefined;
}

/**
 * Where the engine of a docker context is (docker/cli, cli/context/store).
 *
 * @throws SlipwayError `CONFIG_INVALID` for a context that isn't there or can't be used
 */
export async function contextAddress(name: string, env: NodeJS.ProcessEnv): Promise<EngineAddress> {
  const contexts = join(dirname(dockerConfigPath(env)), 'contexts');
  // Docker names the folders so; the name itself is never a path.
  const id = createHash('sha256').update(name).digest('hex');
  const path = join(contexts, 'meta', id, 'meta.json');
  const where = `the docker context ${JSON.stringify(name)}`;
  const meta = await readJson(path).catch((cause: unknown) => {
    throw new SlipwayError('CONFIG_INVALID', `${where} is not there or can't be read`, {
      path,
      hint: 'docker context ls shows those there are; DOCKER_HOST goes before a context',
      cause,
    });
  });
  const endpoints = isJsonObject(meta.Endpoints) ? meta.Endpoints : {};
  const endpoint: JsonObject = isJsonObject(endpoints.docker) ? endpoints.docker : {};
  if (typeof endpoint.Host !== 'string' || endpoint.Host === '') {
    throw new SlipwayError('CONFIG_INVALID', `${where} has no address of an engine`, { path });
  }
  const plain = parseEngineAddress(endpoint.Host, { where });
  if (plain.kind !== 'tcp') return plain;
  const folder = join(contexts, 'tls', id, 'docker');
  const isUnverified = endpoint.SkipTLSVerify === true;
  const hasAuthority = await isThere(join(folder, 'ca.pem'));
  const hasCertificate = await isThere(join(folder, 'cert.pem'));
  if (!isUnverified && !hasAuthority && !hasCertificate) return plain;
  const tls = await readCertificates(folder, { verify: !isUnverified && hasAuthority, where });
  const verified = { ...tls, skipVerify: isUnverified };
  return parseEngineAddress(endpoint.Host, { where, tls: verified });
}

async function readJson(path: string): Promise<JsonObject> {
  return parseJsonObject(await readFile(path), path, MAX_FILE_BYTES);
}

async function isThere(path: string): Promise<boolean> {
  try {
    await readFile(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
