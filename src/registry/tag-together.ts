import type { Open, TagOptions } from '../content/transport.ts';
import { isSlipwayError, type SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isTag } from '../oci/reference.ts';
import type { RepositoryContext } from './context.ts';

/** Puts a manifest under a tag, or under its digest with `?tag=` for several. */
export type PutTags = (
  descriptor: Descriptor,
  reference: string,
  open: Open,
  options: TagOptions,
) => Promise<readonly string[]>;

interface Batch {
  readonly descriptor: Descriptor;
  readonly open: Open;
  readonly options: TagOptions;
  readonly waiting: Map<string, PromiseWithResolvers<void>>;
}

/** More names make a URL that servers refuse. */
const MAX_TOGETHER = 20;

/**
 * Tags that are set at the same moment for one manifest go in one request where the registry
 * answers with the names that it set (distribution-spec, `OCI-Tag`); the others one by one.
 */
export function tagTogether(
  { host }: RepositoryContext,
  put: PutTags,
): (descriptor: Descriptor, name: string, open: Open, options?: TagOptions) => Promise<void> {
  const batches = new Map<string, Batch>();

  const putAll = async ({ descriptor, open, options, waiting }: Batch): Promise<Set<string>> => {
    // To try it on a registry that may not know it costs a request.
    const isWorthwhile = waiting.size > (host.traits.now.setsManyTags === true ? 1 : 2);
    if (!isWorthwhile) return new Set();
    const query = [...waiting.keys()].map((name) => `tag=${name}`).join('&');
    try {
      const set = await put(descriptor, `${descriptor.digest}?${query}`, open, options);
      host.traits.learn({ setsManyTags: set.length > 0 });
      return new Set(set);
    } catch (error) {
      if (!isSlipwayError(error) || isForAll(error)) throw error;
      // It may be unknown there, or one of the names be refused: each shows for itself.
      return new Set();
    }
  };

  const flush = async (key: string, batch: Batch): Promise<void> => {
    if (batches.get(key) === batch) batches.delete(key);
    const { descriptor, open, options, waiting } = batch;
    try {
      const set = await putAll(batch);
      for (const [name, { resolve, reject }] of waiting) {
        if (set.has(name)) resolve();
        else put(descriptor, name, open, options).then(() => resolve(), reject);
      }
    } catch (error) {
      for (const { reject } of waiting.values()) reject(error);
    }
  };

  return async (descriptor, name, open, options = {}) => {
    const isAlone = options.expected !== undefined || !isTag(name);
    if (isAlone || host.traits.now.setsManyTags === false) {
      await put(descriptor, name, open, options);
      return;
    }
    const key = descriptor.digest;
    let batch = batches.get(key);
    const isJoined =
      batch !== undefined &&
      batch.options.signal === options.signal &&
      batch.waiting.size < MAX_TOGETHER &&
      !batch.waiting.has(name);
    if (batch === undefined || !isJoined) {
      const begun: Batch = { descriptor, open, options, waiting: new Map() };
      batch = begun;
      batches.set(key, begun);
      setImmediate(() => void flush(key, begun));
    }
    const waiter = Promise.withResolvers<void>();
    batch.waiting.set(name, waiter);
    await waiter.promise;
  };
}

/** True for what each name alone would be told too. */
function isForAll({ facts: { status = 0 } }: SlipwayError): boolean {
  return status < 400 || status >= 500 || status === 401 || status === 403 || status === 429;
}
