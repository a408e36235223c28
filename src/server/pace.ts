import type { IncomingMessage, ServerResponse } from 'node:http';

/** How slow a client may be. */
export interface Pace {
  /** how long it may be silent while a body goes either way */
  readonly idleTimeoutMs: number;
  /** how slowly the body of a request may come in the long run; 0 for no bound */
  readonly minBytesPerSecond: number;
}

/** Cuts off the clients whose bodies come too slowly; a byte a minute is no silence. */
export interface Watch {
  /** Watches a request until all of it is here. */
  begin(request: IncomingMessage): void;
  end(): void;
}

/**
 * Says after each part of a body whether to go on waiting. Whoever is as fast as asked may go on for
 * ever; whoever is silent, or was slower for longer, may not.
 *
 * @returns told the time that passed, and the bytes that came
 */
export function patience({
  idleTimeoutMs,
  minBytesPerSecond,
}: Pace): (passedMs: number, bytes: number) => boolean {
  let leftMs = idleTimeoutMs;
  return (passedMs, bytes) => {
    const earnedMs = bytes === 0 ? 0 : (bytes / minBytesPerSecond) * 1000;
    leftMs = Math.min(idleTimeoutMs, leftMs - passedMs + earnedMs);
    return leftMs > 0;
  };
}

interface Watched {
  readonly goesOn: ReturnType<typeof patience>;
  seenBytes: number;
}

/**
 * The socket is watched, not the reader: of a body that nobody wants, the rest is read by Node.
 * Answers need no watch: the system reports progress with them in steps of many kilobytes only, so
 * that the timer for silence bounds their pace, too.
 */
export function watchRequests(pace: Pace): Watch {
  const watched = new Map<IncomingMessage, Watched>();
  const everyMs = Math.max(10, Math.min(pace.idleTimeoutMs / 4, 5_000));
  let lookedAtMs = performance.now();
  const look = () => {
    const nowMs = performance.now();
    // Where this process had no time itself, its clients are not to blame.
    const passedMs = Math.min(nowMs - lookedAtMs, 2 * everyMs);
    lookedAtMs = nowMs;
    for (const [request, state] of watched) {
      const { socket } = request;
      if (request.complete || socket.destroyed) {
        watched.delete(request);
        continue;
      }
      const bytes = socket.bytesRead - state.seenBytes;
      state.seenBytes += bytes;
      // What has come and waits is ours to take.
      const waitedMs = request.readableLength > 0 ? 0 : passedMs;
      if (!state.goesOn(waitedMs, bytes)) socket.destroy();
    }
  };
  const timer = setInterval(look, everyMs);
  timer.unref();
  return {
    begin(request) {
      if (pace.minBytesPerSecond === 0 || request.complete) return;
      const seenBytes = request.socket.bytesRead;
      watched.set(request, { goesOn: patience(pace), seenBytes });
    },
    end: () => clearInterval(timer),
  };
}

/** Waits until an answer has left, or its client. */
export async function answered(response: ServerResponse): Promise<void> {
  if (response.closed) return;
  await new Promise<void>((resolve) => response.once('close', resolve));
}
