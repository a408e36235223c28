import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { type Bytes, collect } from '../bytes/stream.ts';
import { Refusal } from './errors.ts';
import type { Pace } from './pace.ts';
import type { HeldBody, Room } from './room.ts';

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly query: URLSearchParams;
  readonly pace: Pace;
  readonly room: Room;
  /** the client waits for `100 Continue` before it sends its body */
  awaitsContinue: boolean;
}

/** What every answer says. */
const ALWAYS = {
  'docker-distribution-api-version': 'registry/2.0',
  'x-content-type-options': 'nosniff',
} as const;

/** A body of this size is read to its end also if nobody wants it: the connection stays usable. */
const DRAINED_BYTES = 64 * 1024;

/** How long, and how much, is read of a body that was refused, so that the answer arrives. */
const LINGER_MS = 3_000;
const LINGER_BYTES = 64 * 1024 * 1024;

/**
 * Answers with a status, headers and a body that is in memory, as long as there is room for it. A
 * HEAD gets the headers.
 *
 * @throws Refusal `TOOMANYREQUESTS`
 */
export async function respond(
  exchange: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
  body: string | Uint8Array = '',
): Promise<void> {
  const { request, response, method, pace, room } = exchange;
  if (response.destroyed) return;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const isUnread = hasLongBody(request) && !request.complete;
  const hasLength = status !== 204 && status !== 304;
  const sent = method === 'HEAD' ? new Uint8Array(0) : bytes;
  // A client that doesn't read leaves it here.
  const held = room.hold();
  held.take(sent.byteLength);
  response.once('close', () => held.release());
  // The timer stays until the last byte has left; Node then sets the one for an idle connection.
  request.socket.setTimeout(pace.idleTimeoutMs);
  response.writeHead(status, {
    ...ALWAYS,
    ...(hasLength ? { 'content-length': bytes.byteLength } : {}),
    ...(isUnread ? { connection: 'close' } : {}),
    ...headers,
  });
  if (isUnread && !exchange.awaitsContinue) {
    if (sent.byteLength > 0) response.write(sent);
    else response.flushHeaders();
    await linger(request);
    response.end();
  } else response.end(sent);
}

/** Answers with JSON. */
export async function respondJson(
  exchange: Exchange,
  status: number,
  json: unknown,
  headers: OutgoingHttpHeaders = {},
): Promise<void> {
  await respond(
    exchange,
    status,
    { 'content-type': 'application/json', ...headers },
    JSON.stringify(json),
  );
}

/**
 * Answers with bytes as they are read, as fast as the client takes them. Nothing is sent before the
 * first of them is there; a failure after that cuts the connection, which the client notices by
 * the length.
 */
export async function respondBytes(
  exchange: Exchange,
  status: number,
  headers: OutgoingHttpHeaders,
  bytes: Bytes,
): Promise<void> {
  const { response, room, pace } = exchange;
  const { socket } = exchange.request;
  socket.setTimeout(pace.idleTimeoutMs);
  const leave = room.enter();
  try {
    for await (const chunk of bytes) {
      if (response.destroyed) return;
      if (!response.headersSent) response.writeHead(status, { ...ALWAYS, ...headers });
      if (!response.write(chunk)) await drained(response);
    }
    if (!response.headersSent) response.writeHead(status, { ...ALWAYS, ...headers });
    response.end();
  } catch (error) {
    socket.setTimeout(0);
    if (response.headersSent) response.destroy();
    throw error;
  } finally {
    leave();
  }
}

/** The body of a request, in blocks that are large enough to be written at full speed. */
export async function* requestBody(exchange: Exchange): Bytes {
  const { room } = exchange;
  const leave = room.enter();
  try {
    yield* inBlocks(receive(exchange), () => room.blockBytes());
  } finally {
    leave();
  }
}

async function* receive(exchange: Exchange): AsyncGenerator<Buffer> {
  const { request, response } = exchange;
  if (exchange.awaitsContinue) {
    exchange.awaitsContinue = false;
    response.writeContinue();
  }
  request.socket.setTimeout(exchange.pace.idleTimeoutMs);
  try {
    yield* request.iterator({ destroyOnReturn: false });
  } finally {
    request.socket.setTimeout(0);
  }
}

/** The body of a request in memory, as much as there is room for; a longer one is refused with 413. */
export async function readRequestBody(
  exchange: Exchange,
  maxBytes: number,
  held: HeldBody,
): Promise<Buffer> {
  if (announcedBytes(exchange.request) > maxBytes) {
    throw new Refusal('MANIFEST_INVALID', `the body is longer than ${maxBytes} bytes`, {
      status: 413,
    });
  }
  return await collect(counted(receive(exchange), held), maxBytes, 'the body');
}

async function* counted(chunks: AsyncIterable<Buffer>, held: HeldBody): Bytes {
  for await (const chunk of chunks) {
    held.take(chunk.byteLength);
    yield chunk;
  }
}

/** What `Content-Length` says, or NaN. */
export function announcedBytes(request: IncomingMessage): number {
  const header = request.headers['content-length'];
  return header === undefined ? Number.NaN : Number(header);
}

/** One header, where the client may send it only once. */
export function header(exchange: Exchange, name: string): string | undefined {
  const value = exchange.request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function hasLongBody(request: IncomingMessage): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined || announcedBytes(request) > DRAINED_BYTES
  );
}

/**
 * Blocks of at least that size. What arrived before a failure is handed on before the failure is:
 * a client that was cut off goes on from there.
 */
async function* inBlocks(chunks: AsyncIterable<Buffer>, blockBytes: () => number): Bytes {
  let held: Buffer[] = [];
  let heldBytes = 0;
  let failure: { readonly error: unknown } | undefined;
  try {
    for await (const chunk of chunks) {
      held.push(chunk);
      heldBytes += chunk.byteLength;
      if (heldBytes < blockBytes()) continue;
      yield Buffer.concat(held, heldBytes);
      held = [];
      heldBytes = 0;
    }
  } catch (error) {
    failure = { error };
  }
  if (heldBytes > 0) yield Buffer.concat(held, heldBytes);
  if (failure !== undefined) throw failure.error;
}

/**
 * Reads on for a while and drops it. A connection that is closed while bytes arrive is reset, and
 * the client may lose the answer that it was just sent.
 */
async function linger(request: IncomingMessage): Promise<void> {
  let seen = 0;
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(done, LINGER_MS);
    request.on('data', (chunk: Buffer) => {
      seen += chunk.byteLength;
      if (seen > LINGER_BYTES) done();
    });
    request.once('end', done).once('close', done).once('error', done);
    request.resume();
    if (request.destroyed || request.complete) done();
  });
}

async function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
