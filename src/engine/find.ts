import { homedir } from 'node:os';
import { join } from 'node:path';
import { type EngineAddress, parseEngineAddress } from './address.ts';
import { readCertificates } from './certificates.ts';
import { contextAddress, currentContext } from './contexts.ts';

/** The kinds of engines, by what their users call them. */
export type EngineProduct = 'docker' | 'podman';

/** Where engines may be. */
export interface EnginePlaces {
  /** best first */
  readonly addresses: readonly EngineAddress[];
  /** what the user said: `DOCKER_HOST`, a context; undefined for the usual sockets */
  readonly said: string | undefined;
}

/**
 * Where an engine is, by the same rules as docker's and podman's own commands: `DOCKER_HOST`, the
 * docker context, `CONTAINER_HOST`; where none of them is set, the usual sockets, also those of
 * engines without root. What the user said is never replaced by something else.
 *
 * @param only docker's or podman's places only
 * @throws SlipwayError `CONFIG_INVALID`
 */
export async function engineAddresses(
  env: NodeJS.ProcessEnv = process.env,
  only?: EngineProduct,
): Promise<EnginePlaces> {
  const said = (where: string, address: EngineAddress): EnginePlaces => ({
    addresses: [address],
    said: where,
  });
  if (only !== 'podman') {
    if (env.DOCKER_HOST) {
      const tls = await tlsOf(env);
      const where = 'DOCKER_HOST';
      return said(where, parseEngineAddress(env.DOCKER_HOST, { where, tls }));
    }
    const context = await currentContext(env);
    if (context !== undefined) {
      const where = `the docker context ${JSON.stringify(context)}`;
      return said(where, await contextAddress(context, env));
    }
  }
  if (only !== 'docker' && env.CONTAINER_HOST) {
    const where = 'CONTAINER_HOST';
    return said(where, parseEngineAddress(env.CONTAINER_HOST, { where, program: 'podman' }));
  }
  const paths = [
    ...(only === 'podman' ? [] : dockerSockets(env)),
    ...(only === 'docker' ? [] : podmanSockets(env)),
  ];
  return { addresses: paths.map((path) => ({ kind: 'unix', path })), said: undefined };
}

function dockerSockets(env: NodeJS.ProcessEnv): readonly string[] {
  const home = env.HOME || homedir();
  return [
    '/var/run/docker.sock',
    ...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'docker.sock')] : []),
    join(home, '.docker/run/docker.sock'),
    join(home, '.docker/desktop/docker.sock'),
  ];
}

function podmanSockets(env: NodeJS.ProcessEnv): readonly string[] {
  return [
    ...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, 'podman/podman.sock')] : []),
    '/run/podman/podman.sock',
  ];
}

/** docker's switches: `DOCKER_TLS_VERIFY` is TLS, `DOCKER_TLS` is TLS that checks nothing. */
async function tlsOf(env: NodeJS.ProcessEnv) {
  const verify = Boolean(env.DOCKER_TLS_VERIFY);
  if (!verify && !env.DOCKER_TLS) return undefined;
  const folder = env.DOCKER_CERT_PATH || join(env.HOME || homedir(), '.docker');
  return await readCertificates(folder, {
    verify,
    where: verify ? 'DOCKER_TLS_VERIFY' : 'DOCKER_TLS',
  });
}
