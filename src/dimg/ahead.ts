import { copyImages } from '../content/delivery.ts';
import type { Graph } from '../content/graph.ts';
import { isSlipwayError } from '../errors.ts';
import { isConfigType } from '../oci/mediatype.ts';
import { formatRepository, type RepositoryName } from '../oci/reference.ts';
import type { Repository } from '../registry/repository.ts';
import type { DimgSession } from './session.ts';

/** Sends layers to a registry while images that need them are still built. */
export interface Ahead {
  /**
   * Lets the layers of an image go to a repository, each once. What could not be sent is left to
   * the publication, which looks at everything.
   */
  send(graph: Graph, repository: RepositoryName): void;
  /** Tells of a failure elsewhere at the same registry. */
  failed(error: unknown): void;
  /** @throws what the registry has refused since, if it would refuse it again */
  throwIfRefused(): void;
  /** Begins nothing more, and waits for what is under way. */
  settle(): Promise<void>;
}

/** No manifest and no name goes ahead: nothing of it can be seen before all is built. */
export function createAhead(
  { signal, emit }: Pick<DimgSession, 'signal' | 'emit'>,
  open: (repository: RepositoryName) => Repository,
): Ahead {
  const waiting: { graph: Graph; repository: RepositoryName }[] = [];
  /** by repository */
  const seen = new Set<string>();
  let sending: Promise<void> | undefined;
  let isOver = false;
  let refusal: unknown;
  const failed = (error: unknown): void => {
    isOver = true;
    if (isRefusal(error)) refusal ??= error;
  };
  const sendWaiting = async (): Promise<void> => {
    const shipments = waiting.splice(0).map(({ graph, repository }) => ({
      ...{ graph, target: open(repository), host: repository.host },
      wants: ({ mediaType, digest }: { mediaType: string; digest: string }): boolean => {
        const key = `${formatRepository(repository)}@${digest}`;
        return !isConfigType(mediaType) && !seen.has(key) && seen.add(key).has(key);
      },
    }));
    const { items } = await copyImages(shipments, { signal, emit, nonDistributable: true });
    for (const { error } of items) if (error !== undefined) failed(error);
  };
  const sendAll = async (): Promise<void> => {
    try {
      // What came meanwhile goes together: what it shares is sent once, and mounted.
      while (waiting.length > 0 && !isOver) await sendWaiting();
    } catch (error) {
      failed(error);
    } finally {
      sending = undefined;
    }
  };
  return {
    send(graph, repository) {
      if (isOver) return;
      waiting.push({ graph, repository });
      sending ??= sendAll();
    },
    failed,
    throwIfRefused() {
      if (refusal !== undefined) throw refusal;
    },
    async settle() {
      isOver = true;
      await sending;
    },
  };
}

/** True for what doesn't get better while others are built. */
function isRefusal(error: unknown): boolean {
  return isSlipwayError(error, 'AUTH_REQUIRED', 'DENIED', 'QUOTA_EXCEEDED', 'NOT_A_REGISTRY');
}
