import type { Connector } from './connect.ts';

/** Errors of connections that had served other requests before. */
const ON_KEPT = new WeakSet<object>();

/** What a connection ends with when the other side has closed it. */
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

/** A connector whose connections tell, when they break, whether they had been used before. */
export function noticingKept(connect: Connector): Connector {
  return (options, callback) =>
    connect(options, (error, socket) => {
      if (error !== null) return callback(error, null);
      const before = socket.bytesRead;
      socket.on('error', (cut) => {
        if (socket.bytesRead > before) ON_KEPT.add(cut);
      });
      callback(null, socket);
    });
}

/**
 * True if what broke was a kept connection that the other side closed: it may have done so before
 * the request was sent. With TLS a new one can count as kept.
 */
export function wasKept(error: unknown): boolean {
  for (let current = error, depth = 0; depth < 8; depth++) {
    if (typeof current !== 'object' || current === null) return false;
    const { code, socket, cause } = current as {
      code?: unknown;
      socket?: { bytesRead?: unknown } | null;
      cause?: unknown;
    };
    if (typeof code === 'string' && CLOSED.has(code)) {
      return ON_KEPT.has(current) || Number(socket?.bytesRead ?? 0) > 0;
    }
    current = cause;
  }
  return false;
}
