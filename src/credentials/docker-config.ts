import { type FileHandle, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { isSlipwayError, SlipwayError, systemCode } from '../errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../oci/json.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** How a container, or who speaks for it, gets out: the fields of docker's `proxies`. */
export interface DockerProxy {
  readonly httpProxy?: string;
  readonly httpsProxy?: string;
  readonly noProxy?: string;
}

/** A docker config file, or podman's `auth.json`, which has the same form. */
export interface DockerConfig {
  /** the file or variable that it came from; for messages */
  readonly where: string;
  /** logins by registry, or by `HOST/PATH`; see `findLogin` */
  readonly auths: JsonObject;
  /** the credential helper for all registries, by name */
  readonly credsStore?: string;
  /** credential helpers by registry; an empty name means the file itself */
  readonly credHelpers: ReadonlyMap<string, string>;
  /** headers for every request to a registry: secrets, perhaps */
  readonly httpHeaders: ReadonlyMap<string, string>;
  /** by engine (`tcp://…`), or `default` */
  readonly proxies: ReadonlyMap<string, DockerProxy>;
}

/** Reads a config when it is first wanted, and once. */
export type ConfigReader = () => Promise<DockerConfig>;

export interface ReadOptions {
  /** is told that others can read the file; at most once */
  readonly warn?: (message: string) => void;
  /** a file that isn't there is an error; else it is an empty one */
  readonly mustExist?: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The docker config file: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. */
export function dockerConfigPath(env: Environment = process.env): string {
  return join(env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker'), 'config.json');
}

/**
 * Opens the door to a docker config file; nothing is read before the first call of what comes back.
 *
 * @throws SlipwayError `CONFIG_INVALID` (from the reader) for a file that can't be used; its text is
 * never quoted: it holds passwords. `FILE_NOT_FOUND` for one that must exist
 */
export function dockerConfigReader(path: string, options: ReadOptions = {}): ConfigReader {
  let config: Promise<DockerConfig> | undefined;
  return () => {
    config ??= readConfig(path, options);
    return config;
  };
}

async function readConfig(path: string, { warn, mustExist }: ReadOptions): Promise<DockerConfig> {
  const bytes = await readConfigText(path, warn);
  if (bytes !== undefined) return parseDockerConfig(bytes, path);
  if (mustExist === true) {
    throw new SlipwayError('FILE_NOT_FOUND', `${path}: no such file`, { path });
  }
  return parseDockerConfig(new Uint8Array(), path);
}

/**
 * The bytes of a docker config file; undefined if it isn't there.
 *
 * @throws SlipwayError `CONFIG_INVALID` for what can't be read
 */
export async function readConfigText(
  path: string,
  warn?: ReadOptions['warn'],
): Promise<Uint8Array | undefined> {
  try {
    const handle = await open(path, 'r');
    try {
      const { mode } = await handle.stat();
      if (process.platform !== 'win32' && (mode & 0o044) !== 0) {
        warn?.(`${path} holds logins and can be read by others; mend it with chmod 600`);
      }
      return await readCapped(handle);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    const failure = fileError(path, cause);
    const why = isSlipwayError(failure) ? failure.message : `${path} can't be read`;
    throw new SlipwayError('CONFIG_INVALID', why, { path, hint: MEND_HINT, cause });
  }
}

/** Also what stands behind a file where a folder should be. */
function isMissing(cause: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(cause) ?? '');
}

/** One byte more than the cap is enough for the parser to refuse it. A pipe will do, too. */
async function readCapped(handle: FileHandle): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  while (sizeBytes <= MAX_CONFIG_BYTES) {
    const { bytesRead, buffer } = await handle.read({ buffer: Buffer.allocUnsafeSlow(64 * 1024) });
    if (bytesRead === 0) break;
    sizeBytes += bytesRead;
    chunks.push(buffer.subarray(0, bytesRead));
  }
  return Buffer.concat(chunks);
}

/**
 * Reads the text of a docker config.
 *
 * @param where names the file or variable in errors
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function parseDockerConfig(bytes: Uint8Array, where: string): DockerConfig {
  let json: JsonObject;
  try {
    // Docker takes an empty file for an empty config.
    const isEmpty = bytes.byteLength < 16 && Buffer.from(bytes).toString('latin1').trim() === '';
    json = isEmpty ? {} : parseJsonObject(bytes, 'it', MAX_CONFIG_BYTES);
  } catch (error) {
    throw configInvalid(where, isSlipwayError(error) ? error.message : 'it is not valid');
  }
  const object = (key: string): JsonObject => {
    const value = json[key] ?? {};
    if (!isJsonObject(value)) throw configInvalid(where, `its "${key}" is no object`);
    return value;
  };
  const credsStore = json.credsStore ?? '';
  if (typeof credsStore !== 'string') throw configInvalid(where, 'its "credsStore" is no text');
  return {
    where,
    auths: object('auths'),
    ...(credsStore === '' ? {} : { credsStore }),
    credHelpers: texts(object('credHelpers'), () => configInvalid(where, NO_TEXT.credHelpers)),
    httpHeaders: texts(object('HttpHeaders'), () => configInvalid(where, NO_TEXT.httpHeaders)),
    proxies: new Map(
      Object.entries(object('proxies')).map(([engine, proxy]) => [engine, proxyOf(proxy, where)]),
    ),
  };
}

const NO_TEXT = {
  credHelpers: 'one of its "credHelpers" is no text',
  httpHeaders: 'one of its "HttpHeaders" is no text',
  proxies: 'one of its "proxies" is not valid',
};

function texts(object: JsonObject, wrong: () => SlipwayError): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(object).map(([key, value]) => {
      if (typeof value !== 'string') throw wrong();
      return [key, value];
    }),
  );
}

function proxyOf(value: unknown, where: string): DockerProxy {
  const wrong = () => configInvalid(where, NO_TEXT.proxies);
  if (!isJsonObject(value)) throw wrong();
  const known = texts(value, wrong);
  const fields = (['httpProxy', 'httpsProxy', 'noProxy'] as const).flatMap((name) => {
    const text = known.get(name) ?? '';
    return text === '' ? [] : [[name, text] as const];
  });
  return Object.fromEntries(fields);
}

const MEND_HINT = 'mend the file, or point DOCKER_CONFIG at another folder';

/** What is wrong with a config; its own text is never a part of that. */
export function configInvalid(
  where: string,
  how: string,
  more: { readonly host?: string; readonly hint?: string } = {},
): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${where}: ${how}`, {
    path: where,
    hint: MEND_HINT,
    ...more,
  });
}
