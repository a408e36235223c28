import { SlipwayError } from '../errors.ts';
import { createHttp } from '../http/client.ts';
import { isJsonObject } from '../oci/json.ts';
import type { Hints } from '../state/hints.ts';

const API = 'https://api.github.com';
const TABLE = 'github-releases';
const FRESH_MS = 8 * 3_600_000;
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

interface Options {
  readonly hints: Hints;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly nowMs?: number;
}

/**
 * The tag of the latest release of a repository at GitHub, without a leading `v`. An answer counts
 * for eight hours, and longer where GitHub can't be asked.
 *
 * @param api the API's address; `GITHUB_API_URL`, else GitHub's own
 * @throws SlipwayError `CONFIG_INVALID`, `NOT_FOUND`, `NETWORK`, `RATE_LIMITED`, `SERVER_ERROR`
 */
export async function latestRelease(
  repository: string,
  api: string | undefined,
  { hints, env, signal, nowMs = Date.now() }: Options,
): Promise<string> {
  if (
    !/^[A-Za-z0-9-]{1,100}\/[A-Za-z0-9._-]{1,100}$/.test(repository) ||
    /\/\.+$/.test(repository)
  ) {
    throw new SlipwayError(
      'CONFIG_INVALID',
      `${JSON.stringify(repository)} is no OWNER/REPOSITORY`,
    );
  }
  const base = URL.parse(api ?? (env.GITHUB_API_URL || API));
  if (base === null || !['https:', 'http:'].includes(base.protocol) || base.username !== '') {
    throw new SlipwayError('CONFIG_INVALID', 'the address of the API of GitHub is no URL');
  }
  const path = `${base.pathname.replace(/\/+$/, '')}/repos/${repository}/releases/latest`;
  const url = new URL(path, base);
  const key = `${url.origin}${url.pathname}`;
  const known = knownRelease(hints.get(TABLE, key));
  if (known !== undefined && nowMs - known.atMs < FRESH_MS && nowMs >= known.atMs) return known.tag;
  try {
    const tag = await ask(url, repository, env.GITHUB_TOKEN, signal);
    hints.set(TABLE, key, { tag, atMs: nowMs });
    return tag;
  } catch (error) {
    const isGone = error instanceof SlipwayError && error.code === 'NOT_FOUND';
    if (known === undefined || isGone || signal.aborted) throw error;
    return known.tag;
  }
}

function knownRelease(value: unknown): { readonly tag: string; readonly atMs: number } | undefined {
  if (!isJsonObject(value)) return undefined;
  const { tag, atMs } = value;
  return typeof tag === 'string' && typeof atMs === 'number' ? { tag, atMs } : undefined;
}

async function ask(
  url: URL,
  repository: string,
  token: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const http = createHttp({ idleTimeoutMs: TIMEOUT_MS });
  try {
    const isTrusted = url.origin === API && token !== undefined && token !== '';
    const answer = await http.send({
      method: 'GET',
      url,
      headers: {
        accept: 'application/vnd.github+json',
        ...(isTrusted ? { authorization: `Bearer ${token}` } : {}),
      },
      signal,
    });
    if (answer.status !== 200) {
      await answer.drop();
      throw refused(answer.status, repository, url.host);
    }
    const json = parse(await answer.read(MAX_ANSWER_BYTES, TIMEOUT_MS));
    const tag = isJsonObject(json) ? json.tag_name : undefined;
    if (typeof tag === 'string' && tag !== '') return tag.replace(/^v(?=[0-9])/, '');
    throw new SlipwayError('SERVER_ERROR', `${url.host} told no release of ${repository}`);
  } finally {
    await http.close();
  }
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    return undefined;
  }
}

function refused(status: number, repository: string, host: string): SlipwayError {
  if (status === 404) {
    return new SlipwayError('NOT_FOUND', `${host} knows no release of ${repository}`, { host });
  }
  const isLimited = status === 403 || status === 429;
  return new SlipwayError(
    isLimited ? 'RATE_LIMITED' : 'SERVER_ERROR',
    `${host} answered ${status} when it was asked for the release of ${repository}`,
    { host, status, ...(isLimited ? { hint: 'say the version, or set GITHUB_TOKEN' } : {}) },
  );
}
