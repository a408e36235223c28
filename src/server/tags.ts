import type { Layout } from '../layout/layout.ts';
import { findName } from '../layout/names.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isTag } from '../oci/reference.ts';
import type { RegistryContext } from './context.ts';
import { Refusal } from './errors.ts';
import { type Exchange, respondJson } from './exchange.ts';
import { type Target, unknownRepository } from './target.ts';

const MAX_PAGE = 1_000;

/** GET `/tags/list` (distribution-spec, "Listing tags"), sorted, in pages of at most 1000. */
export async function getTags(
  exchange: Exchange,
  { repository }: Target,
  { repositories }: RegistryContext,
): Promise<void> {
  const pageSize = pageSizeOf(exchange.query.get('n'));
  const last = exchange.query.get('last') ?? '';
  const all = await repositories.read(repository, async (layout) => {
    const tags: string[] = [];
    // A layout of another tool may hold names that are no tags.
    for await (const name of layout.list()) if (isTag(name)) tags.push(name);
    return tags;
  });
  if (all === undefined) throw unknownRepository();
  const after = [...new Set(all)].filter((tag) => last === '' || tag > last).sort();
  const tags = after.slice(0, pageSize);
  const isMore = after.length > tags.length && tags.length > 0;
  const next = new URLSearchParams({ n: String(pageSize), last: tags.at(-1) ?? '' });
  const headers = isMore ? { link: `</v2/${repository}/tags/list?${next}>; rel="next"` } : {};
  await respondJson(exchange, 200, { name: repository, tags }, headers);
}

/**
 * The digest that a tag names, or undefined. Read straight from the entries: to resolve a name of a
 * layout is to note it as used, which a registry would do with every pull.
 */
export async function digestOfTag(layout: Layout, tag: string): Promise<Digest | undefined> {
  return tagAmong(await layout.entries(), tag, layout);
}

/** What a tag names among the entries of a layout, or undefined. */
export function tagAmong(
  entries: readonly Descriptor[],
  tag: string,
  { dir }: Layout,
): Digest | undefined {
  return isTag(tag) ? findName(entries, tag, dir)?.digest : undefined;
}

function pageSizeOf(text: string | null): number {
  if (text === null) return MAX_PAGE;
  if (!/^[0-9]{1,15}$/.test(text)) {
    throw new Refusal('UNSUPPORTED', 'n is a number of tags', { status: 400 });
  }
  return Math.min(Number(text), MAX_PAGE);
}
