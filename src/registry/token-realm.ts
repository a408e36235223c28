import { SlipwayError } from '../errors.ts';
import { isAddress, isInside, isLoopback, sameOrigin } from '../http/origin.ts';

/** Where passwords may go to fetch a token: see {@link judgeRealm}. */
export type TokenRealmPolicy = 'auto' | 'same-site' | 'any';

/** Registries whose token service is under another name: registry's host → realm's host. */
const KNOWN_PAIRS: ReadonlyMap<string, string> = new Map([
  ['registry-1.docker.io', 'auth.docker.io'],
  // gitlab.com's registry: https://docs.gitlab.com/user/packages/container_registry/
  ['registry.gitlab.com', 'gitlab.com'],
]);

/**
 * Decides whether the token service that a challenge names may be given the registry's password.
 *
 * `same-site`: the realm has the registry's own origin, or is https under the same registrable
 * domain. `auto` adds known pairs. `any` trusts every realm. Other realms are asked anonymously.
 *
 * @throws SlipwayError `AUTH_REALM_REFUSED` for a realm that nothing may be sent to: not http(s),
 * http behind an https registry, or an address inside this machine or network that isn't the
 * registry's own
 */
export async function judgeRealm(
  registry: URL,
  realm: URL,
  policy: TokenRealmPolicy,
): Promise<'trusted' | 'anonymous'> {
  const refuse = (why: string): SlipwayError =>
    new SlipwayError(
      'AUTH_REALM_REFUSED',
      `${registry.host} sends logins to ${realm.host}: ${why}`,
      {
        host: registry.host,
        hint: 'the registry, or somebody between, names a token service that is not safe to use',
      },
    );
  if (realm.protocol !== 'https:' && realm.protocol !== 'http:') throw refuse('it is no http URL');
  if (realm.username !== '' || realm.password !== '') throw refuse('its URL holds a password');
  if (realm.protocol === 'http:' && registry.protocol === 'https:') {
    throw refuse('it is not encrypted, and the registry is');
  }
  if (sameOrigin(registry, realm)) return 'trusted';
  if (policy === 'any') return 'trusted';
  if (isInside(realm.hostname) && realm.hostname !== registry.hostname) {
    throw refuse('it is an address inside this machine or network, and not the registry');
  }
  if (policy === 'auto' && realm.protocol === 'https:' && realm.port === '') {
    if (KNOWN_PAIRS.get(registry.hostname) === realm.hostname) return 'trusted';
  }
  return (await isSameSite(registry, realm)) ? 'trusted' : 'anonymous';
}

async function isSameSite(registry: URL, realm: URL): Promise<boolean> {
  if (realm.protocol !== 'https:') return false;
  if (isAddress(realm.hostname) || isLoopback(realm.hostname)) return false;
  // The list of all domains is long, and most registries never need it.
  const { getDomain } = await import('tldts');
  const domain = getDomain(realm.hostname, { allowPrivateDomains: true });
  return domain !== null && domain === getDomain(registry.hostname, { allowPrivateDomains: true });
}
