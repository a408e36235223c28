import { SlipwayError } from '../errors.ts';
import { isLoopback, sameOrigin } from '../http/origin.ts';
import type { ProxyLookup } from '../http/proxies.ts';
import type { Route } from '../http/route.ts';
import type { TlsSettings } from '../http/tls.ts';
import { DOCKER_HUB, type RepositoryName } from '../oci/reference.ts';
import type { Endpoint, HostConfig } from './hosts-dir/endpoint.ts';

/** How plain http is used with a host: see trust rules in `docs/security.md`. */
export type SchemeChoice = 'https' | 'http' | 'probe';

/** What was decided from outside, for all hosts; hosts are named as in references. */
export interface ReachOptions {
  /** plain http or https for a host, or `probe`; undefined lets Slipway's rules decide */
  readonly scheme?: (host: string) => SchemeChoice | undefined;
  readonly tls?: (host: string) => TlsSettings;
  /** sent to the registry's own origin only, to no mirror; values are secrets */
  readonly headers?: (host: string) => Readonly<Record<string, string>>;
  /** the proxy for a URL, as {@link environmentProxies} finds it; none if left out */
  readonly proxy?: ProxyLookup;
}

/** Where and how the names of one registry are asked for. */
export interface Reach {
  /** `name[:port]` of requests, whose login is used */
  readonly host: string;
  readonly scheme: SchemeChoice;
  /** `/v2`, or what an endpoint has in its place */
  readonly basePath: string;
  /** the registry that an endpoint of another name is asked for */
  readonly namespace?: string;
  /** go to the origin itself, and to nobody else */
  readonly headers: Readonly<Record<string, string>>;
  /** pushes and deletions may be sent here */
  readonly takesPushes: boolean;
  /** How connections are made, to the origin itself and to where it sends us on. */
  route(url: URL): Route;
}

/** Decides how a registry is reached, from what is configured for it and what the user said. */
export function reachOf(
  registry: string,
  endpoint: Endpoint | undefined,
  options: ReachOptions,
): Reach {
  const usual = usualHost(registry);
  const url = endpoint?.url ?? new URL(`https://${usual}`);
  const isOwn = isNamed(registry, endpoint);
  const host = isOwn ? usual : url.host;
  // What was said of a registry is said of the host behind its names, and of no mirror.
  const said = isOwn ? registry : host;
  const isHub = registry === DOCKER_HUB && isOwn;
  return {
    host,
    scheme:
      (isHub ? undefined : options.scheme?.(said)) ??
      (endpoint?.url === undefined
        ? isLoopback(url.hostname) && !isHub
          ? 'probe'
          : 'https'
        : url.protocol === 'http:'
          ? 'http'
          : 'https'),
    basePath: endpoint?.basePath ?? '/v2',
    ...(isOwn ? {} : { namespace: registry }),
    headers: { ...(isOwn && options.headers?.(registry)), ...endpoint?.headers },
    takesPushes: endpoint?.capabilities.has('push') ?? true,
    route(to) {
      const proxy = options.proxy?.(to);
      const connectTimeoutMs = endpoint?.connectTimeoutMs;
      const own = joined(options.tls?.(said), endpoint?.tls);
      const tls = to.host === url.host ? own : elsewhere(own, options.tls?.(to.host));
      return {
        tls,
        ...(proxy && { proxy }),
        ...(connectTimeoutMs === undefined ? {} : { connectTimeoutMs }),
      };
    },
  };
}

/** The host that really answers for the names of a reference's host. */
function usualHost(registry: string): string {
  return registry === DOCKER_HUB ? 'registry-1.docker.io' : registry;
}

/** True if an endpoint is where the names themselves lead. */
function isNamed(registry: string, endpoint: Endpoint | undefined): boolean {
  const { host } = new URL(`https://${usualHost(registry)}`);
  return (endpoint?.url?.host ?? host) === host;
}

/** What is configured for the place to which a registry's names lead, if anything is. */
export function endpointNamed(
  registry: string,
  config: HostConfig | undefined,
): Endpoint | undefined {
  const all = config === undefined ? [] : [config.server, ...config.mirrors];
  return all.find((endpoint) => isNamed(registry, endpoint));
}

function joined(said: TlsSettings = {}, configured: TlsSettings = {}): TlsSettings {
  const ca = `${said.ca ?? ''}${configured.ca ?? ''}`;
  return {
    skipVerify: said.skipVerify === true || configured.skipVerify === true,
    ...(ca === '' ? {} : { ca }),
    clientCertificates: [
      ...(configured.clientCertificates ?? []),
      ...(said.clientCertificates ?? []),
    ],
  };
}

/**
 * Where a registry sends us on, its authority still vouches: it could send us anywhere. Its client
 * certificate stays at home, and only who was named is believed without a certificate.
 */
function elsewhere(own: TlsSettings, said: TlsSettings = {}): TlsSettings {
  const { ca, skipVerify = false } = joined(said, own.ca === undefined ? {} : { ca: own.ca });
  return { skipVerify, ...(ca === undefined ? {} : { ca }) };
}

/** The path of a request at this registry, which may be kept elsewhere than under `/v2`. */
export function pathAt({ basePath, namespace }: Reach, path: string): string {
  const own = path.startsWith('/v2/') ? `${basePath}${path.slice('/v2'.length)}` : path;
  if (namespace === undefined) return own;
  return `${own}${own.includes('?') ? '&' : '?'}ns=${encodeURIComponent(namespace)}`;
}

/** True for a next page that may be asked for: on the same origin, and below the same API. */
export function isNextPage(next: URL, page: URL, repository: RepositoryName): boolean {
  const at = page.pathname.indexOf(`/${repository.path}/`);
  const root = at < 0 ? '/v2' : page.pathname.slice(0, at);
  return sameOrigin(next, page) && next.pathname.startsWith(`${root}/`);
}

/** The error of a registry that is configured to take no pushes. */
export function takesNoPushes(registry: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `no host takes pushes for ${registry}`, {
    host: registry,
    hint: 'its hosts.toml gives nobody the capability "push"',
  });
}
