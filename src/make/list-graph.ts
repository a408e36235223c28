import { createDocuments } from '../content/derivations/rewrite.ts';
import { type Graph, graphOf } from '../content/graph.ts';
import type { Fetcher } from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { JsonObject } from '../oci/json.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import { formatRepository } from '../oci/reference.ts';
import type { Repository } from '../registry/repository.ts';

/** The graph of a list whose entries are in some repositories. */
export function listGraph(
  entries: readonly Descriptor[],
  repositories: readonly Repository[],
  name: string,
): Graph {
  const mediaType = MEDIA_TYPE.ociIndex;
  return indexGraph({ schemaVersion: 2, mediaType, manifests: [...entries] }, repositories, name);
}

/** The graph of an index that is made of its document. */
export function indexGraph(
  json: JsonObject,
  repositories: readonly Repository[],
  name: string,
): Graph {
  const documents = createDocuments();
  const type = typeof json.mediaType === 'string' ? json.mediaType : MEDIA_TYPE.ociIndex;
  const root = documents.put(json, type);
  const unique = new Map(repositories.map((each) => [formatRepository(each.repository), each]));
  const places = [...unique.values()];
  const [only] = places;
  return {
    ...graphOf(documents.over(firstOf(places)), root, name),
    ...(only !== undefined && places.length === 1 ? { from: only.repository } : {}),
  };
}

/** Content of whichever place has it. */
function firstOf(places: readonly Fetcher[]): Fetcher {
  return {
    async *fetch(descriptor, options) {
      for (const [at, place] of places.entries()) {
        let hasBegun = false;
        try {
          for await (const chunk of place.fetch(descriptor, options)) {
            hasBegun = true;
            yield chunk;
          }
          return;
        } catch (error) {
          const isLast = at === places.length - 1;
          if (hasBegun || isLast || !isSlipwayError(error, 'NOT_FOUND')) throw error;
        }
      }
    },
  };
}
