import type { OutgoingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exchange, Fault } from './proxy.ts';

const MIB = 1024 * 1024;

/** Cuts the connection when so many bytes of the body have come: at once for 0. */
export function reset(afterBytes = 0): Fault {
  return async (exchange) => {
    if (afterBytes > 0 && !(await cut(exchange, afterBytes))) return undefined;
    exchange.reset();
    return undefined;
  };
}

/** Lets the registry have so many bytes and then no more; false if the body is shorter. */
async function cut(exchange: Exchange, afterBytes: number): Promise<boolean> {
  const answer = await exchange.forward(afterBytes);
  if (answer === undefined) return true;
  await exchange.reply(answer);
  return false;
}

/** Strikes only where the body is known to be this large, or sent without a length. */
export function large(fault: Fault, atLeastBytes = 10 * MIB): Fault {
  return async (exchange) => {
    const length = exchange.request.headers['content-length'];
    const isLarge =
      length === undefined
        ? exchange.request.headers['transfer-encoding'] !== undefined
        : Number(length) >= atLeastBytes;
    return isLarge ? await fault(exchange) : false;
  };
}

/** Never answers; `reads` the body first, or not. */
export function stall(reads: 'nothing' | 'all'): Fault {
  return async (exchange) => {
    if (reads === 'all') await exchange.drain();
    // A client that hangs up ends it; nothing else does.
    return undefined;
  };
}

/** The registry does what it was asked; its answer never arrives. */
export function keepAnswer(): Fault {
  return async (exchange) => {
    const answer = await exchange.forward();
    if (answer !== undefined) for await (const _ of answer.body);
    return undefined;
  };
}

/** The registry does what it was asked; instead of its answer the connection is cut. */
export function loseAnswer(): Fault {
  return async (exchange) => {
    const answer = await exchange.forward();
    if (answer !== undefined) for await (const _ of answer.body);
    exchange.reset();
    return undefined;
  };
}

export interface Said {
  readonly headers?: OutgoingHttpHeaders | (() => OutgoingHttpHeaders);
  readonly body?: string;
  /** answers before the body was read, and cuts the connection then */
  readonly early?: boolean;
}

/** Answers in the registry's place, after the body was read. */
export function answer(
  status: number,
  { headers = {}, body = '', early = false }: Said = {},
): Fault {
  return async (exchange) => {
    if (!early) await exchange.drain();
    const bytes = Buffer.from(body);
    const type = body.startsWith('{') ? { 'content-type': 'application/json' } : {};
    exchange.response.writeHead(status, {
      ...type,
      ...(exchange.request.method === 'HEAD' ? {} : { 'content-length': bytes.byteLength }),
      ...(typeof headers === 'function' ? headers() : headers),
    });
    exchange.response.end(exchange.request.method === 'HEAD' ? undefined : bytes);
    if (early) setTimeout(() => exchange.reset(), 50).unref();
    return undefined;
  };
}

/** Answers with an error of the distribution-spec. */
export function refuse(status: number, code: string, message: string, said: Said = {}): Fault {
  return answer(status, { ...said, body: JSON.stringify({ errors: [{ code, message }] }) });
}

/** A header's new value, made of its old one; null removes it. */
export type Change = null | string | ((old: string, exchange: Exchange) => string | null);

/** Hands the registry's answer on with another status and other headers. */
export function rewrite(changes: {
  readonly status?: (status: number) => number;
  readonly headers?: Readonly<Record<string, Change>>;
}): Fault {
  return async (exchange) => {
    const answer = await exchange.forward();
    if (answer === undefined) return undefined;
    const isGood = answer.status >= 200 && answer.status < 300;
    if (isGood && changes.status !== undefined) answer.status = changes.status(answer.status);
    for (const [name, change] of isGood ? Object.entries(changes.headers ?? {}) : []) {
      const old = String(answer.headers[name] ?? '');
      const value = typeof change === 'function' ? change(old, exchange) : change;
      if (value === null) delete answer.headers[name];
      else answer.headers[name] = value;
    }
    await exchange.reply(answer);
    return undefined;
  };
}

/** Waits before the answer is handed on. */
export function slowly(ms: number): Fault {
  return async (exchange) => {
    const answer = await exchange.forward();
    await delay(ms);
    if (answer !== undefined) await exchange.reply(answer);
    return undefined;
  };
}

/** Refuses bodies that are longer, as a proxy with a limit does. */
export function limitBody(maxBytes: number): Fault {
  const page = '<html><head><title>413 Request Entity Too Large</title></head></html>';
  const tooLarge = answer(413, { headers: { 'content-type': 'text/html' }, body: page });
  return async (exchange) => {
    const length = exchange.request.headers['content-length'];
    if (length !== undefined) return Number(length) > maxBytes ? await tooLarge(exchange) : false;
    if (exchange.request.headers['transfer-encoding'] === undefined) return false;
    if (await cut(exchange, maxBytes + 1)) await tooLarge(exchange);
    return undefined;
  };
}

/** Answers with a body that never ends. */
export function endless(status: number, headers: OutgoingHttpHeaders = {}): Fault {
  return async (exchange) => {
    await exchange.drain();
    const { response } = exchange;
    response.writeHead(status, headers);
    const block = Buffer.alloc(64 * 1024, ' ');
    const closed = new Promise<void>((resolve) => response.once('close', resolve));
    while (!response.destroyed) {
      if (response.write(block)) continue;
      const drained = Promise.withResolvers<void>();
      response.once('drain', drained.resolve);
      await Promise.race([drained.promise, closed]);
      response.off('drain', drained.resolve);
    }
    return undefined;
  };
}

/** Hands half of the registry's answer on, and cuts the connection. */
export function truncate(): Fault {
  return async (exchange) => {
    const answer = await exchange.forward();
    if (answer === undefined) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of answer.body) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    const headers = { ...answer.headers, 'content-length': bytes.byteLength };
    exchange.response.writeHead(answer.status, headers);
    exchange.response.write(bytes.subarray(0, bytes.byteLength >> 1));
    setTimeout(() => exchange.reset(), 20).unref();
    return undefined;
  };
}

/** The registry is gone in the middle of a body, and comes back. */
export function gone(ms: number, afterBytes: number): Fault {
  return async (exchange) => {
    if (await cut(exchange, afterBytes)) await exchange.vanish(ms);
    return undefined;
  };
}

/** The token that the request came with is worth nothing any more. */
export function tokenRunsOut(when: 'before the body' | 'after the body'): Fault {
  return async (exchange) => {
    exchange.tokens?.revokeAll();
    if (when === 'after the body') await exchange.drain();
    exchange.tokens?.challenge(exchange);
    return undefined;
  };
}
