import type { TlsSettings } from './tls.ts';

/** How connections to one origin are made. */
export interface Route {
  readonly tls?: TlsSettings;
  /** an http or https URL, perhaps with a login */
  readonly proxy?: URL;
  /** default 10 s, for each hop */
  readonly connectTimeoutMs?: number;
}

/**
 * Decides how an origin is reached; asked once for each origin.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export type RouteLookup = (origin: URL) => Route | Promise<Route>;

/** What a connection may take where nobody says otherwise. */
export const CONNECT_TIMEOUT_MS = 10_000;
