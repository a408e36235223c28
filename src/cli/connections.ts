import {
  type ConfigReader,
  dockerConfigPath,
  dockerConfigReader,
} from '../credentials/docker-config.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { environmentProxies } from '../http/proxies.ts';
import { checkedHeaders } from '../registry/hosts-dir/headers.ts';
import { hostsFromFolders } from '../registry/hosts-dir/hosts-dir.ts';
import type { RegistriesOptions } from '../registry/registries.ts';

/** Options that say how hosts are connected to. */
export interface ConnectionFlags {
  readonly plainHttp?: readonly string[];
  readonly skipTlsVerify?: readonly string[];
  /** hosts; an empty text stands for the hosts of this command */
  readonly insecureRegistry?: readonly string[];
}

/**
 * How this command connects: the insecure switches, proxies, `certs.d` folders and the headers of
 * docker's config file.
 *
 * @param ownHosts the registries that the command names
 * @throws SlipwayError `CONFIG_INVALID`
 */
export async function connectionsOf(
  flags: ConnectionFlags,
  ownHosts: readonly string[],
  emit: Emit,
  readConfig: ConfigReader = dockerConfigReader(dockerConfigPath()),
): Promise<Pick<RegistriesOptions, 'scheme' | 'tls' | 'headers' | 'proxy' | 'hosts'>> {
  const config = await readConfig().catch((error: unknown) => {
    if (!isSlipwayError(error)) throw error;
    // Whoever needs a login of it fails then; a command that needs nothing of it goes on.
    emit({
      type: 'warning',
      message: `proxies and headers are not taken from it: ${error.message}`,
    });
    return undefined;
  });
  return {
    ...insecureSwitches(flags, ownHosts, emit),
    headers: configuredHeaders(config?.httpHeaders ?? new Map(), ownHosts, emit),
    proxy: environmentProxies(process.env, config?.proxies.get('default')),
    hosts: hostsFromFolders(),
  };
}

/** Naming a host is consent to all that the switch does, and no other host is meant by it. */
function insecureSwitches(
  flags: ConnectionFlags,
  ownHosts: readonly string[],
  emit: Emit,
): Pick<RegistriesOptions, 'scheme' | 'tls'> {
  const insecure = hostSet(
    (flags.insecureRegistry ?? []).flatMap((host) => (host === '' ? ownHosts : [host])),
  );
  const plain = hostSet(flags.plainHttp ?? []);
  const unverified = new Set([...hostSet(flags.skipTlsVerify ?? []), ...insecure]);
  for (const host of unverified) {
    emit({ type: 'warning', message: `the certificate of ${host} is not checked` });
  }
  for (const host of plain) {
    emit({ type: 'warning', message: `${host} is spoken to without encryption` });
  }
  return {
    scheme: (host) =>
      plain.has(plainName(host)) ? 'http' : insecure.has(plainName(host)) ? 'probe' : undefined,
    tls: (host) => ({ skipVerify: unverified.has(plainName(host)) }),
  };
}

function hostSet(hosts: readonly string[]): ReadonlySet<string> {
  return new Set(hosts.map(plainName));
}

/** `host:443` and `host` are one. */
function plainName(host: string): string {
  return host.toLowerCase().replace(/:443$/, '');
}

/**
 * docker's `HttpHeaders`. Its daemon hands those named `X-Meta-…` on to every registry; the others
 * were meant for one server that the file doesn't name, so they go only where there is no doubt.
 */
function configuredHeaders(
  configured: ReadonlyMap<string, string>,
  ownHosts: readonly string[],
  emit: Emit,
): NonNullable<RegistriesOptions['headers']> {
  const { headers, refused } = checkedHeaders(configured);
  if (refused.length > 0) {
    throw new SlipwayError(
      'CONFIG_INVALID',
      `"HttpHeaders" of docker's config has headers that can't be sent: ${refused.map((name) => JSON.stringify(name)).join(', ')}`,
      { hint: 'leave them out; docs/tls-and-proxies.md says what may stand there' },
    );
  }
  const named = Object.keys(headers);
  const meta = named.filter((name) => name.startsWith('x-meta-'));
  const others = named.filter((name) => !name.startsWith('x-meta-'));
  const only = new Set(ownHosts.map(plainName));
  if (others.length > 0 && only.size !== 1) {
    const message = `headers of docker's config are left out, for this command names no single registry: ${others.join(', ')}`;
    emit({ type: 'warning', message });
  }
  const pick = (names: readonly string[]) =>
    Object.fromEntries(names.map((name) => [name, headers[name] ?? '']));
  return (host) => pick(only.size === 1 && only.has(plainName(host)) ? named : meta);
}
