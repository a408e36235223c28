import type { Bytes } from '../bytes/stream.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** A layer as it comes by. */
export interface ArrivedLayer {
  /** bytes, as announced: who reads them checks */
  readonly size: number;
  /** Read once, and soon: nothing else comes by before that has ended. */
  readonly bytes: Bytes;
}

/**
 * An image whose layers, uncompressed, come by once and in an order of their own: what an engine
 * exports. What nobody waits for is not kept.
 */
export interface Arriving {
  /** Its layers by diffID, each once; the size of one that is not known yet is 0. */
  readonly layers: readonly Descriptor[];
  /**
   * Waits until a layer comes by. All that are wanted are waited for in the same step: what begins
   * to come may have passed by later, and is then fetched in a costlier way.
   *
   * @throws SlipwayError what the engine says
   */
  turn(diffId: Digest): Promise<ArrivedLayer>;
  /** The top, when everything has come by. */
  root(): Promise<Descriptor>;
}
