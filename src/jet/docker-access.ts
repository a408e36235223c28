import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Engine } from '../engine/client.ts';
import { isLoopback } from '../http/origin.ts';
import type { InnerFile } from './inner-files.ts';

/** What a container with `add_docker` is given, so that it can speak to the engine. */
export interface DockerAccess {
  readonly volumes: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly files: readonly InnerFile[];
}

const DOCKER_SOCKET = '/var/run/docker.sock';
const PODMAN_SOCKET = '/run/podman/podman.sock';
const CERTIFICATES = 'jet-docker';

/**
 * The engine as a container sees it: its socket, which is a file of the machine that it runs on, or
 * where it is reached by TCP its address and the certificates for it.
 *
 * @param warn is told of an address that no container can reach
 */
export function dockerAccess(
  { address, product }: Pick<Engine, 'address' | 'product'>,
  warn: (message: string) => void,
): DockerAccess {
  if (address.kind !== 'tcp') {
    const usual = product === 'podman' ? PODMAN_SOCKET : DOCKER_SOCKET;
    const path = address.path ?? usual;
    const source = address.kind === 'unix' && isOfDesktop(path) ? DOCKER_SOCKET : path;
    const env = product === 'podman' ? { CONTAINER_HOST: `unix://${DOCKER_SOCKET}` } : {};
    return { volumes: [`${source}:${DOCKER_SOCKET}`], env, files: [] };
  }
  const { host, tls } = address;
  const { hostname } = new URL(`tcp://${host}`);
  if (isLoopback(hostname)) {
    warn(`add_docker: a container can't reach the engine at ${host}, which is its own loopback`);
  }
  const env = { DOCKER_HOST: `tcp://${host}` };
  if (tls === undefined) return { volumes: [], env, files: [] };
  const { ca, clientCertificates: [own] = [], skipVerify = false } = tls;
  const pems = { 'ca.pem': ca, 'cert.pem': own?.cert, 'key.pem': own?.key };
  return {
    volumes: [],
    env: {
      ...env,
      DOCKER_CERT_PATH: `/${CERTIFICATES}`,
      ...(skipVerify ? { DOCKER_TLS: '1' } : { DOCKER_TLS_VERIFY: '1' }),
    },
    files: [
      { name: `${CERTIFICATES}/`, mode: 0o755 },
      ...Object.entries(pems).flatMap(([name, content]): readonly InnerFile[] =>
        content === undefined ? [] : [{ name: `${CERTIFICATES}/${name}`, mode: 0o644, content }],
      ),
    ],
  };
}

/** Docker Desktop's own machine, on which its engine runs, has the socket at the usual place. */
function isOfDesktop(path: string): boolean {
  const folder = join(homedir(), '.docker');
  return [join(folder, 'run/docker.sock'), join(folder, 'desktop/docker.sock')].includes(path);
}
