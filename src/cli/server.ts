import { SlipwayError } from '../errors.ts';
import { DOCKER_HUB, isHost } from '../oci/reference.ts';

/**
 * The registry that SERVER of `login` and `logout` means: nothing is Docker Hub, and of a URL the
 * host counts, as for docker.
 *
 * @throws SlipwayError `USAGE`
 */
export function parseServer(server = ''): string {
  const [, scheme = 'https', rest = ''] = /^(?:([^:/?#]*):\/\/)?(.*)$/s.exec(server) ?? [];
  if (scheme !== 'https' && scheme !== 'http') {
    throw notAServer(server, `${JSON.stringify(scheme)} is not a scheme of registries`);
  }
  const host = /^[^/?#]*/.exec(rest)?.[0] ?? '';
  if (server === '') return DOCKER_HUB;
  if (!isHost(host)) throw notAServer(server, `${JSON.stringify(host)} is not a host`);
  return ['index.docker.io', 'registry-1.docker.io'].includes(host) ? DOCKER_HUB : host;
}

function notAServer(server: string, how: string): SlipwayError {
  return new SlipwayError('USAGE', `${JSON.stringify(server)} is not a registry: ${how}`, {
    hint: 'write HOST[:PORT]; nothing means Docker Hub',
  });
}
