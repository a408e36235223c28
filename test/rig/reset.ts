import type { Socket } from 'node:net';

/**
 * Resets a connection. Where its end is just being sent, libuv refuses that, and Node neither closes
 * the socket then nor comes to an end itself; so that is waited for.
 */
export function reset(socket: Socket): void {
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isEnding) socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
