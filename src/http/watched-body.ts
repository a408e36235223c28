import type { Bytes } from '../bytes/stream.ts';
import { stalled } from './connection-error.ts';

/** A server is given a second for every 10 MB to put a body away. */
export const BYTES_PER_MS = 10_000;

interface WatchedBody {
  readonly body: Bytes;
  /** aborted when the other side takes nothing, or says nothing to a body that is complete */
  readonly stalled: AbortSignal;
  /** what the body's own iteration threw: the library wraps it */
  failure(): { readonly error: unknown } | undefined;
  /** bytes of the body that were asked for */
  readonly sentBytes: number;
  /** The answer is there. */
  end(): void;
}

/** Time counts against the other side only while it is its turn: a slow source is no stall. */
export function watchBody(
  bytes: Bytes,
  url: URL,
  idleTimeoutMs: number,
  heldBytes = 0,
): WatchedBody {
  const stall = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let failure: { error: unknown } | undefined;
  let hasEnded = false;
  let sentBytes = 0;
  const expectWithin = (ms: number): void => {
    if (hasEnded || idleTimeoutMs === 0) return;
    timer = setTimeout(() => stall.abort(stalled(url)), ms);
  };
  async function* watched(): Bytes {
    try {
      for await (const chunk of bytes) {
        expectWithin(idleTimeoutMs);
        sentBytes += chunk.byteLength;
        yield chunk;
        clearTimeout(timer);
      }
    } catch (error) {
      failure = { error };
      throw error;
    }
    expectWithin(idleTimeoutMs + (heldBytes + sentBytes) / BYTES_PER_MS);
  }
  return {
    body: watched(),
    stalled: stall.signal,
    failure: () => failure,
    get sentBytes() {
      return sentBytes;
    },
    end() {
      hasEnded = true;
      clearTimeout(timer);
    },
  };
}
