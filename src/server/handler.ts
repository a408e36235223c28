import type { IncomingMessage, ServerResponse } from 'node:http';
import { printable } from '../bytes/printable.ts';
import { type Authenticator, unauthorized } from './auth.ts';
import type { RegistryContext } from './context.ts';
import { Refusal, refusalOf } from './errors.ts';
import { type Exchange, respond } from './exchange.ts';
import type { RegistryEvent } from './options.ts';
import type { Pace } from './pace.ts';
import type { Room } from './room.ts';
import { findRoute } from './routes.ts';

export interface HandlerOptions {
  readonly context: RegistryContext;
  readonly isAcceptedHost: (header: string | undefined) => boolean;
  /** everybody is let in if left out */
  readonly authenticate: Authenticator | undefined;
  readonly readOnly: boolean;
  readonly pace: Pace;
  readonly room: Room;
  readonly log: (event: RegistryEvent) => void;
}

/** Answers a request; never throws. */
export type RequestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
) => Promise<void>;

/** Answers requests: first who may ask, then what is asked, then the answer. */
export function createHandler(options: HandlerOptions): RequestHandler {
  const { context, pace, room, log } = options;
  return async (request, response, awaitsContinue) => {
    const startedMs = performance.now();
    const method = request.method ?? '';
    const { path, query } = splitUrl(request.url ?? '');
    const exchange: Exchange = {
      request,
      response,
      method,
      query,
      pace,
      room,
      awaitsContinue,
    };
    const where = { method: printable(method), path: printable(path) };
    // A client that is gone is noticed where its bytes are read or written.
    response.on('error', () => {});
    try {
      checkOrigin(request, options);
      if (options.authenticate !== undefined) {
        const isKnown = await options.authenticate(request.headers.authorization);
        if (!isKnown) throw unauthorized();
      }
      const { route, target } = findRoute(method, path);
      if (route.writes && options.readOnly) {
        throw new Refusal('UNSUPPORTED', 'this registry is read-only');
      }
      await route.handle(exchange, target, context);
    } catch (error) {
      await answerFailure(exchange, error, (cause) => {
        log({ type: 'failure', ...where, error: cause });
      });
    }
    const durationMs = performance.now() - startedMs;
    log({ type: 'request', ...where, status: response.statusCode, durationMs });
  };
}

function checkOrigin(request: IncomingMessage, { isAcceptedHost }: HandlerOptions): void {
  // Node also reads requests without a version, of which no two programs think the same.
  if (request.httpVersionMajor !== 1) {
    throw new Refusal('UNSUPPORTED', 'this registry speaks HTTP/1.1', { status: 505 });
  }
  // Of two, a proxy before us may have read the other one.
  const [host, another] = request.headersDistinct.host ?? [];
  if (another !== undefined || !isAcceptedHost(host)) {
    throw new Refusal('DENIED', 'this registry does not go by that name', { status: 421 });
  }
  // Only browsers send these, and no web page has any business here; `none` is what a user opened.
  const { origin, 'sec-fetch-site': site = 'none' } = request.headers;
  if (origin !== undefined || site !== 'none') {
    throw new Refusal('DENIED', 'this registry does not answer web pages');
  }
}

async function answerFailure(
  exchange: Exchange,
  error: unknown,
  report: (error: unknown) => void,
): Promise<void> {
  const { request, response } = exchange;
  const isGone = request.destroyed && !request.complete;
  let refusal = refusalOf(error);
  if (refusal === undefined && !isGone && !response.destroyed) report(error);
  if (response.headersSent || isGone) {
    response.destroy();
    return;
  }
  refusal ??= new Refusal('UNKNOWN', 'the registry failed; its own messages say why');
  const headers = { 'content-type': 'application/json', ...refusal.headers };
  await respond(exchange, refusal.status, headers, refusal.toBody());
}

/** Path and query as they stand in the request line; nothing is decoded or resolved. */
function splitUrl(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?');
  if (mark < 0) return { path: url, query: new URLSearchParams() };
  return { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) };
}
