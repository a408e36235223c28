import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { isHost } from '../oci/reference.ts';

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];
const EVERY_INTERFACE = ['0.0.0.0', '::', ''];

/**
 * Says which `Host` headers are meant for this registry.
 *
 * A web page that gets its own name to resolve to this machine (DNS rebinding) sends that name, so
 * only names that were configured are answered. A registry that listens on every interface is
 * reached by addresses that nobody listed; an address can't be rebound.
 */
export function acceptedHosts(listenHost: string): (header: string | undefined) => boolean {
  const own = bracketed(listenHost.toLowerCase());
  const names = new Set([...LOOPBACK, own]);
  const isEverywhere = EVERY_INTERFACE.includes(listenHost);
  if (isEverywhere) names.add(hostname().toLowerCase());
  return (header) => {
    if (header === undefined || !isHost(header)) return false;
    const name = header.toLowerCase().replace(/:[0-9]+$/, '');
    return names.has(name) || (isEverywhere && isIP(name.replace(/^\[|\]$/g, '')) !== 0);
  };
}

/** True for addresses and names that only this machine can reach. */
export function isLoopback(listenHost: string): boolean {
  return (
    LOOPBACK.includes(bracketed(listenHost.toLowerCase())) || /^127\.[0-9.]+$/.test(listenHost)
  );
}

/** A host as it stands in a URL. */
export function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}
