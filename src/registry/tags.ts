import type { Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { nextLink } from '../http/link.ts';
import { type JsonObject, parseJsonObject } from '../oci/json.ts';
import { isTag } from '../oci/reference.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { registryError } from './errors.ts';
import { isNextPage } from './reach.ts';

const PAGE_TAGS = 1000;
const MAX_PAGES = 1000;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
/** of all pages: who lists tags keeps them in memory */
const MAX_BYTES = 12 * 1024 * 1024;
const MAX_TAGS = 250_000;

/**
 * All tags of a repository, page by page (distribution-spec, "Listing tags"). A next page is
 * followed only on the registry itself and under `/v2/`, and no page twice.
 *
 * @throws SlipwayError `NOT_FOUND`, `NOT_A_REGISTRY`, `LIMIT_EXCEEDED`
 */
export async function* listTags(
  context: RepositoryContext,
  { signal }: Signalled = {},
): AsyncGenerator<string> {
  let url: string | URL = `/v2/${context.repository.path}/tags/list?n=${PAGE_TAGS}`;
  const seen = new Set<string>();
  let bytesRead = 0;
  let count = 0;
  for (let page = 0; page < MAX_PAGES; page++) {
    const response = await context.host.send({
      method: 'GET',
      url,
      repository: context.repository,
      scopes: context.pull,
      answerBytes: MAX_PAGE_BYTES,
      doing: 'list tags',
      signal,
    });
    const isWebPage = /^text\/html\b/i.test(response.header('content-type') ?? '');
    if (response.status !== 200 || isWebPage) {
      throw await registryError(response, { ...whereIs(context), doing: 'list tags' });
    }
    seen.add(response.url.href);
    const bytes = await response.read(MAX_PAGE_BYTES);
    bytesRead += bytes.byteLength;
    if (bytesRead > MAX_BYTES) throw tooLong(context, `${MAX_BYTES} bytes`);
    const { tags } = parsePage(bytes, context);
    for (const tag of Array.isArray(tags) ? tags : []) {
      if (++count > MAX_TAGS) throw tooLong(context, `${MAX_TAGS} tags`);
      // A name that is no tag can't be asked for; it is not passed on.
      if (typeof tag === 'string' && isTag(tag)) yield tag;
    }
    const link = nextLink(response.headers('link'));
    if (link === undefined) return;
    const next = URL.parse(link, response.url.href);
    if (next === null || !isNextPage(next, response.url, context.repository)) {
      throw broken(context, 'names a next page outside itself');
    }
    if (seen.has(next.href)) throw broken(context, 'names a page twice');
    url = next;
  }
  throw tooLong(context, `${MAX_PAGES} pages`);
}

function tooLong(context: RepositoryContext, cap: string): SlipwayError {
  return new SlipwayError(
    'LIMIT_EXCEEDED',
    `the tag list of ${context.host.name} is longer than ${cap}`,
    whereIs(context),
  );
}

function parsePage(bytes: Uint8Array, context: RepositoryContext): JsonObject {
  try {
    return parseJsonObject(bytes, 'it', MAX_PAGE_BYTES);
  } catch (error) {
    if (!isSlipwayError(error, 'CONTENT_INVALID')) throw error;
    throw broken(context, `is no valid document: ${error.message}`);
  }
}

function broken(context: RepositoryContext, how: string): SlipwayError {
  return new SlipwayError('NOT_A_REGISTRY', `the tag list of ${context.host.name} ${how}`, {
    ...whereIs(context),
  });
}
