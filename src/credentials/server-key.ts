import { DOCKER_HUB } from '../oci/reference.ts';

/** The key under which docker keeps the credentials of Docker Hub. */
const DOCKER_HUB_KEY = 'https://index.docker.io/v1/';
const DOCKER_HUB_NAMES = [DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io'];
const TLS_PORT = ':443';

/** What a registry is called in docker's config file and by credential helpers. */
export function serverKey(host: string): string {
  return DOCKER_HUB_NAMES.includes(host) ? DOCKER_HUB_KEY : host;
}

/** The names that mean the same registry: Docker Hub's, and those with and without port 443. */
export function hostVariants(host: string): readonly string[] {
  if (DOCKER_HUB_NAMES.includes(host)) return DOCKER_HUB_NAMES;
  if (host.endsWith(TLS_PORT)) return [host, host.slice(0, -TLS_PORT.length)];
  return /:[0-9]+$/.test(host) ? [host] : [host, `${host}${TLS_PORT}`];
}

/**
 * The host that a key of a config file is about, whether or not it has a scheme or an API version;
 * undefined for a key that holds a path.
 */
export function hostOfKey(key: string): string | undefined {
  return /^(?:https?:\/\/)?([^/]+)(?:\/|\/v[12]\/?)?$/.exec(key)?.[1];
}
