import { keepLogin, keepSecret } from '../../bytes/secrets.ts';
import { isSlipwayError } from '../../errors.ts';
import type { Credential } from '../credential.ts';
import type { Login } from './login.ts';

/** A login is renewed so long before its end, or at four fifths of a life that is short. */
const RENEW_BEFORE_MS = 5 * 60_000;
/** A renewal that failed isn't tried again at once while the old login is still good. */
const RETRY_MS = 30_000;

interface Kept {
  readonly credential: Credential | undefined;
  readonly renewAt: number;
  readonly endsAt: number;
}

/**
 * Fetches a login once, for all who ask, and again shortly before it runs out. What can't be mended
 * by asking again isn't asked again.
 *
 * @param now milliseconds of a clock that nobody sets
 */
export function renewing(
  fetch: () => Promise<Login | undefined>,
  now: () => number = () => performance.now(),
): () => Promise<Credential | undefined> {
  let kept: Kept | undefined;
  let fetching: Promise<Kept> | undefined;
  let failure: { readonly error: unknown } | undefined;

  const renew = async (): Promise<Kept> => {
    const startedAt = now();
    const login = await fetch();
    if (login === undefined) {
      return {
        credential: undefined,
        renewAt: Number.POSITIVE_INFINITY,
        endsAt: Number.POSITIVE_INFINITY,
      };
    }
    const { credential, expiresAtMs } = login;
    keepLogin(credential.username, credential.password);
    keepSecret(credential.identityToken, credential.registryToken);
    const lifeMs =
      expiresAtMs === undefined ? Number.POSITIVE_INFINITY : Math.max(expiresAtMs - Date.now(), 0);
    const usedMs = Math.max(lifeMs - RENEW_BEFORE_MS, lifeMs * 0.8);
    return { credential, renewAt: startedAt + usedMs, endsAt: startedAt + lifeMs };
  };

  return async () => {
    if (failure !== undefined) throw failure.error;
    if (kept !== undefined && now() < kept.renewAt) return kept.credential;
    // Shared by all who ask meanwhile.
    fetching ??= renew().finally(() => {
      fetching = undefined;
    });
    try {
      kept = await fetching;
    } catch (error) {
      if (kept !== undefined && now() < kept.endsAt) {
        kept = { ...kept, renewAt: now() + RETRY_MS };
        return kept.credential;
      }
      if (!(isSlipwayError(error) && error.facts.transient === true)) failure = { error };
      throw error;
    }
    return kept.credential;
  };
}
