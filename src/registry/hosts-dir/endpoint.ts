import type { TlsSettings } from '../../http/tls.ts';

/** What a host may be asked for (containerd, "hosts.toml"). */
export type Capability = 'pull' | 'resolve' | 'push';

export const ALL_CAPABILITIES: ReadonlySet<Capability> = new Set(['pull', 'resolve', 'push']);

/** A place that answers for the names of a registry. */
export interface Endpoint {
  /** undefined: where the names themselves lead */
  readonly url?: URL;
  /** what stands before the name of a repository in a path: `/v2` */
  readonly basePath: string;
  readonly capabilities: ReadonlySet<Capability>;
  readonly tls: TlsSettings;
  /** secrets of this endpoint's origin, by lower-case name */
  readonly headers: Readonly<Record<string, string>>;
  readonly connectTimeoutMs?: number;
}

/** What is configured for the names of one registry. */
export interface HostConfig {
  /** the file or folder that says so */
  readonly where: string;
  /** asked first, in this order, for what they are able to do */
  readonly mirrors: readonly Endpoint[];
  /** asked last */
  readonly server: Endpoint;
}

/**
 * Finds what is configured for the registry of a reference (`docker.io`, `localhost:5000`).
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export type HostConfigLookup = (host: string) => Promise<HostConfig | undefined>;
