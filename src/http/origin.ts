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

/**
 * True for `localhost` and for loopback, private, link-local and unspecified addresses, as they
 * stand in a parsed URL: that parser has made odd spellings plain.
 */
export function isInside(hostname: string): boolean {
  if (isLoopback(hostname)) return true;
  if (!isAddress(hostname)) return false;
  const bare = hostname.replace(/^\[|\]$/g, '');
  return (
    /^(?:0|10|127)\.|^169\.254\.|^192\.168\.|^172\.(?:1[6-9]|2[0-9]|3[01])\.|^100\.(?:6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\./.test(
      bare,
    ) || /^(?:::|f[cd]|fe[89ab])/i.test(bare)
  );
}

/** True if both have the same scheme, host and port: what one credential may be sent to. */
export function sameOrigin(a: URL, b: URL): boolean {
  return a.protocol === b.protocol && a.host === b.host;
}
