import { SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { isInside } from '../http/origin.ts';

/**
 * Where a request is to be sent instead, or undefined. A write is sent on only where the answer
 * keeps its method and body (307, 308). Never from https to http.
 *
 * @throws SlipwayError `NOT_A_REGISTRY`, `TLS`
 */
export function redirectTarget(response: HttpResponse, method: string): URL | undefined {
  const { status } = response;
  const isRead = method === 'GET' || method === 'HEAD';
  const isForAll = status === 307 || status === 308;
  const isForReads = status === 301 || status === 302 || status === 303;
  if (!isForAll && !(isForReads && isRead)) return undefined;
  const location = response.header('location');
  if (location === undefined) return undefined;
  return (isRead ? resolveLocation : uploadLocation)(location, response.url);
}

/**
 * Resolves a `Location`: relative to the request that it answers, and never from https to http.
 * Its query stays as it is, byte for byte: registries sign what stands there.
 *
 * @throws SlipwayError `NOT_A_REGISTRY`, `TLS`
 */
function resolveLocation(location: string, from: URL): URL {
  const refuse = (why: string) =>
    new SlipwayError('NOT_A_REGISTRY', `${from.host} sends on to a Location that ${why}`, {
      host: from.host,
    });
  let url: URL;
  try {
    url = new URL(beginsWithHost(location, from) ? `//${location}` : location, from);
  } catch {
    throw refuse('is no URL');
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refuse('is no http URL');
  if (url.username !== '' || url.password !== '') throw refuse('holds a password');
  if (from.protocol === 'https:' && url.protocol === 'http:') {
    throw new SlipwayError(
      'TLS',
      `${from.host} sends on from https to plain http; that is refused`,
      {
        host: from.host,
        hint: 'a proxy before the registry may have to set X-Forwarded-Proto',
      },
    );
  }
  url.hash = '';
  return url;
}

/**
 * The Location of an upload, or of a write that is sent on. Content is sent there, so a registry out in the world can't name an
 * address inside this machine or network.
 *
 * @throws SlipwayError as {@link resolveLocation}
 */
export function uploadLocation(location: string, from: URL): URL {
  const url = resolveLocation(location, from);
  if (url.hostname !== from.hostname && isInside(url.hostname) && !isInside(from.hostname)) {
    throw new SlipwayError(
      'NOT_A_REGISTRY',
      `${from.host} sends content on to ${url.host}, an address inside this machine or network`,
      { host: from.host },
    );
  }
  return url;
}

/** Some registries leave the scheme away, with or without the slashes after it. */
function beginsWithHost(location: string, from: URL): boolean {
  if (location.startsWith(`${from.host}/`)) return true;
  return /^(?=[^/]*[.:])[A-Za-z0-9.-]+(?::[0-9]+)?\/v2\//.test(location);
}
