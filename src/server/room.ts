import { Refusal } from './errors.ts';

/** The memory that bodies take while they are on their way, in either direction. */
export interface Room {
  /** Counts a body; `leave` is called once it has arrived. */
  enter(): () => void;
  /** How many bytes of one body are held at a time: the fewer, the more bodies there are. */
  blockBytes(): number;
  /** Begins to hold a body as a whole. */
  hold(): HeldBody;
}

export interface HeldBody {
  /**
   * Takes room for more of it.
   *
   * @throws Refusal `TOOMANYREQUESTS`
   */
  take(bytes: number): void;
  release(): void;
}

/** So much of a body is held without asking whether there is room. */
export const SMALL_BODY_BYTES = 64 * 1024;
const MAX_BLOCK_BYTES = 512 * 1024;
const MIN_BLOCK_BYTES = 32 * 1024;
const ALL_BLOCKS_BYTES = 8 * 1024 * 1024;
/** Eight of the longest manifests. */
const ALL_HELD_BYTES = 32 * 1024 * 1024;

export function createRoom(): Room {
  let bodies = 0;
  let heldBytes = 0;
  return {
    enter() {
      bodies += 1;
      return () => {
        bodies -= 1;
      };
    },
    blockBytes() {
      const share = Math.floor(ALL_BLOCKS_BYTES / (bodies + 1));
      return Math.min(MAX_BLOCK_BYTES, Math.max(MIN_BLOCK_BYTES, share));
    },
    hold() {
      let ownBytes = 0;
      return {
        take(bytes) {
          if (ownBytes + bytes > SMALL_BODY_BYTES && heldBytes + bytes > ALL_HELD_BYTES) {
            throw new Refusal('TOOMANYREQUESTS', 'too many long manifests or lists at once', {
              headers: { 'retry-after': '1' },
            });
          }
          ownBytes += bytes;
          heldBytes += bytes;
        },
        release() {
          heldBytes -= ownBytes;
          ownBytes = 0;
        },
      };
    },
  };
}
