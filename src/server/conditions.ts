import type { Layout } from '../layout/layout.ts';
import type { Digest } from '../oci/digest.ts';
import { Refusal } from './errors.ts';
import { type Exchange, header } from './exchange.ts';
import { digestOfTag } from './tags.ts';

/**
 * Checks `If-Match` and `If-None-Match` of a PUT (RFC 9110, 13.1) against what every tag names that
 * it would set, or the manifest's digest where it sets none. The caller sees to it that nobody
 * else changes them meanwhile.
 *
 * @throws Refusal 412 `DENIED`
 */
export async function checkConditions(
  exchange: Exchange,
  layout: Layout,
  digest: Digest | undefined,
  tags: readonly string[],
): Promise<void> {
  const ifMatch = header(exchange, 'if-match');
  const ifNoneMatch = header(exchange, 'if-none-match');
  if (ifMatch === undefined && ifNoneMatch === undefined) return;
  const current =
    tags.length > 0
      ? await Promise.all(tags.map((tag) => digestOfTag(layout, tag)))
      : [await present()];
  for (const held of current) {
    if (ifMatch !== undefined && !matches(ifMatch, held)) {
      throw failed(held === undefined ? 'it is not there' : `it is ${held}`);
    }
    if (ifNoneMatch !== undefined && matches(ifNoneMatch, held)) throw failed(`it is ${held}`);
  }

  async function present(): Promise<Digest | undefined> {
    return digest !== undefined && (await layout.blobSize(digest)) !== undefined
      ? digest
      : undefined;
  }
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
