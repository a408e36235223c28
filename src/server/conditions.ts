import type { Digest } from '../oci/digest.ts';
import { Refusal } from './errors.ts';
import { type Exchange, header } from './exchange.ts';

/**
 * Checks `If-Match` and `If-None-Match` of a PUT (RFC 9110, 13.1) against what is held now: what
 * every tag names that it would set, or the manifest's digest where it sets none.
 *
 * @throws Refusal 412 `DENIED`
 */
export type Conditions = (held: readonly (Digest | undefined)[]) => void;

/** The conditions of a request, or undefined if it has none. */
export function conditionsOf(exchange: Exchange): Conditions | undefined {
  const ifMatch = header(exchange, 'if-match');
  const ifNoneMatch = header(exchange, 'if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return undefined;
  return (all) => {
    for (const held of all) {
      if (ifMatch !== undefined && !matches(ifMatch, held)) {
        throw failed(held === undefined ? 'it is not there' : `it is ${held}`);
      }
      if (ifNoneMatch !== undefined && matches(ifNoneMatch, held)) throw failed(`it is ${held}`);
    }
  };
}

/** An ETag here is a digest in quotes; a bare one is understood too. */
function matches(condition: string, held: Digest | undefined): boolean {
  if (held === undefined) return false;
  const tags = condition.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.some((tag) => tag === '*' || tag === held || tag === `"${held}"`);
}

function failed(why: string): Refusal {
  return new Refusal('DENIED', `a condition does not hold: ${why}`, { status: 412 });
}
