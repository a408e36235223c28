import type { Http } from '../../http/client.ts';
import type { Credential } from '../credential.ts';

/** What an identity was exchanged for. */
export interface Login {
  readonly credential: Credential;
  /** by the wall clock, as `Date.now()`; if left out it is good for the whole run */
  readonly expiresAtMs?: number;
}

/** What an exchange works with. */
export interface ExchangeTools {
  /** for requests that no library makes */
  readonly http: Http;
  /** aborted when it takes too long */
  readonly signal: AbortSignal;
}

/** How long a token is good for that doesn't say so. */
const UNKNOWN_LIFE_MS = 10 * 60_000;

/**
 * When a JSON Web Token runs out, as `Date.now()`. Its signature isn't looked at: this only decides
 * when to ask for a new one.
 */
export function tokenExpiry(token: string): number {
  const [, payload = ''] = token.split('.');
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    if (typeof exp === 'number' && exp > 0) return exp * 1000;
  } catch {
    // Not every token is one of these.
  }
  return Date.now() + UNKNOWN_LIFE_MS;
}
