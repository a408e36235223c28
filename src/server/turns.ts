import type { Socket } from 'node:net';
import type { RequestHandler } from './handler.ts';
import { answered } from './pace.ts';

/** More requests than these, sent before their answers, are an attack: clients here send one. */
const MAX_WAITING = 16;

interface Line {
  last: Promise<void>;
  waiting: number;
}

/**
 * Handles the requests of one connection one after the other, each once the answer before it has
 * left. Node would begin with all that one packet holds at once, and a few kilobytes would open a
 * thousand files.
 */
export function inTurn(handle: RequestHandler): RequestHandler {
  const lines = new WeakMap<Socket, Line>();
  return async (request, response, awaitsContinue) => {
    const { socket } = request;
    const line: Line = lines.get(socket) ?? { last: Promise.resolve(), waiting: 0 };
    lines.set(socket, line);
    if (line.waiting > MAX_WAITING) {
      socket.destroy();
      return;
    }
    line.waiting += 1;
    line.last = line.last.then(async () => {
      if (!socket.destroyed) {
        await handle(request, response, awaitsContinue);
        await answered(response);
      }
      line.waiting -= 1;
    });
    await line.last;
  };
}
