import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { Http, HttpResponse } from '../http/client.ts';
import { isJsonObject } from '../oci/json.ts';
import { normalizePlatform, type Platform } from '../oci/platform.ts';
import { messageOf, refusal } from './errors.ts';
import type { EngineProduct } from './find.ts';

/** What an engine says of itself. */
export interface Found {
  readonly product: EngineProduct;
  readonly version: string;
  /** version of the API that is spoken with it */
  readonly apiVersion: string;
  /** undefined if it has to be asked for */
  readonly platform: Platform | undefined;
}

/** What we know; an engine that knows less is asked in its own version. */
const NEWEST_API = '1.48';
/** Docker 17.06 and podman 3 know this much. */
const OLDEST_API = '1.30';
/** How long an engine may take for its first answer. */
export const GREETING_MS = 10_000;
const MAX_BYTES = 1024 * 1024;

/**
 * Asks what answers. Podman says enough to a ping; its version it looks up in two programs that it
 * starts, for a third of a second.
 *
 * @throws SlipwayError `NO_ENGINE`, and what is wrong with the connection
 */
export async function greet(
  http: Http,
  base: URL,
  where: string,
  { timeoutMs = GREETING_MS, signal }: Signalled & { readonly timeoutMs?: number },
): Promise<Found> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const signals = AbortSignal.any(signal === undefined ? [deadline] : [deadline, signal]);
  const ask = async (path: string): Promise<readonly [HttpResponse, Buffer]> => {
    const answer = await http.send({ method: 'GET', url: new URL(path, base), signal: signals });
    return [answer, await answer.read(MAX_BYTES, timeoutMs)];
  };
  try {
    const [ping] = await ask('/_ping');
    const podman = ping.status === 200 ? describedByPing(ping, where) : undefined;
    if (podman !== undefined) return podman;
    const [answer, body] = await ask('/version');
    if (answer.status === 200) return described(body, where);
    const what = 'say what it is';
    throw refusal(messageOf(body), { name: where, what, status: answer.status });
  } catch (error) {
    if (!deadline.aborted || signal?.aborted) throw error;
    throw new SlipwayError('NO_ENGINE', `the engine at ${where} doesn't answer`, {
      hint: 'it may hang: look at its log, or restart it',
      cause: error,
    });
  }
}

function describedByPing({ header }: HttpResponse, where: string): Found | undefined {
  const version = header('libpod-api-version');
  const apiVersion = header('api-version') ?? '';
  if (version === undefined || !isVersion(apiVersion)) return undefined;
  return {
    product: 'podman',
    version: version.slice(0, 100),
    apiVersion: spoken(apiVersion, where),
    platform: undefined,
  };
}

function described(body: Buffer, where: string): Found {
  const json = parseAnswer(body, where);
  const theirs = textOf(json, 'ApiVersion');
  if (!isVersion(theirs)) throw notAnEngine(where);
  const components = isJsonObject(json) ? json.Components : undefined;
  const isPodman =
    Array.isArray(components) &&
    components.some((each) => isJsonObject(each) && /podman/i.test(String(each.Name)));
  return {
    product: isPodman ? 'podman' : 'docker',
    version: textOf(json, 'Version').slice(0, 100),
    apiVersion: spoken(theirs, where),
    platform: platformOf(json),
  };
}

/** The platform that an engine's `/version` tells. */
export function platformOf(json: unknown): Platform {
  return normalizePlatform({
    os: textOf(json, 'Os') || 'linux',
    architecture: textOf(json, 'Arch') || 'amd64',
  });
}

function textOf(json: unknown, key: string): string {
  return isJsonObject(json) && typeof json[key] === 'string' ? json[key] : '';
}

function isVersion(text: string): boolean {
  return /^[0-9]{1,3}\.[0-9]{1,3}$/.test(text);
}

function spoken(theirs: string, where: string): string {
  if (compareVersions(theirs, OLDEST_API) < 0) {
    throw new SlipwayError('NO_ENGINE', `the engine at ${where} is too old: its API is ${theirs}`, {
      hint: `version ${OLDEST_API} of the API is needed, which Docker has since 17.06`,
    });
  }
  return compareVersions(theirs, NEWEST_API) < 0 ? theirs : NEWEST_API;
}

/** Parses what an engine answers. */
export function parseAnswer(body: Buffer, where: string): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    throw notAnEngine(where);
  }
}

function notAnEngine(where: string): SlipwayError {
  return new SlipwayError('NO_ENGINE', `what answers at ${where} is no engine`, {
    hint: 'DOCKER_HOST may name another service',
  });
}

/** Below 0 if the first version of an API is older than the second one. */
export function compareVersions(one: string, other: string): number {
  const [a = 0, b = 0] = one.split('.').map(Number);
  const [c = 0, d = 0] = other.split('.').map(Number);
  return a - c || b - d;
}
