import { isIP } from 'node:net';

/**
 * True if a URL's host name is this machine by its spelling alone: `localhost`, 127.0.0.0/8, `::1`.
 * No name is looked up: what DNS says doesn't count.
 */
export function isLoopback(hostname: string): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (bare === 'localhost') return true;
  if (isIP(bare) === 4) return bare.startsWith('127.');
  return bare === '::1';
}

/** True if the host name of a URL is an address and no name. */
export function isAddress(hostname: string): boolean {
  return isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
}

/** True if both have the same scheme, host and port: what one credential may be sent to. */
export function sameOrigin(a: URL, b: URL): boolean {
  return a.protocol === b.protocol && a.host === b.host;
}

/** The URL for people and logs: no userinfo, and query values only where they hold no secret. */
export function displayUrl(url: URL): string {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  for (const name of new Set(shown.searchParams.keys())) {
    if (!SHOWN_PARAMETERS.has(name)) shown.searchParams.set(name, 'redacted');
  }
  return shown.href;
}

const SHOWN_PARAMETERS = new Set(['digest', 'mount', 'from', 'n', 'last', 'scope', 'service']);
