import { copyImages, type DeliveryOptions } from './delivery.ts';
import type { Graph, ManifestNode } from './graph.ts';
import type { Signalled, Target } from './transport.ts';

export interface CopyOptions
  extends Signalled,
    Pick<DeliveryOptions, 'emit' | 'nonDistributable' | 'throttle' | 'jobs'> {
  /** repositories of the target's registry that hold the image already, best first */
  readonly mountFrom?: readonly string[];
  /** false: everything but the top manifest, which the caller will put */
  readonly includeRoot?: boolean;
}

/** What a copy moved; all sizes in bytes. */
export interface CopyResult {
  readonly root: ManifestNode;
  /** the target had all of it before */
  readonly isPresent: boolean;
  readonly bytesSent: number;
  readonly bytesMounted: number;
  readonly bytesPresent: number;
}

/**
 * Copies an image: blobs before the manifests that name them, children before parents, each
 * digest once. The bytes of manifests stay as they are.
 *
 * The first failure stops what has not begun; what is under way is cut by an abort.
 *
 * @throws SlipwayError what source and target say, with the side that failed
 */
export async function copyGraph(
  graph: Graph,
  target: Target,
  options: CopyOptions = {},
): Promise<CopyResult> {
  const { includeRoot = true, mountFrom, ...rest } = options;
  const item = { graph, target, ...(mountFrom === undefined ? {} : { mountFrom }) };
  const { items } = await copyImages([item], { ...rest, tops: includeRoot });
  const [copied] = items;
  if (copied?.survey === undefined || copied.error !== undefined) throw copied?.error;
  const { bytes, survey } = copied;
  return {
    root: survey.root,
    isPresent: survey.isPresent,
    bytesSent: bytes.sent,
    bytesMounted: bytes.mounted,
    bytesPresent: bytes.present,
  };
}
