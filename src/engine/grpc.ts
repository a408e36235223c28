import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Bytes } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import { brokenError, refusal } from './errors.ts';

/** Calls of gRPC services on one connection. */
export interface GrpcConnection {
  /** False once it has ended or broken. */
  readonly isOpen: boolean;
  /**
   * Sends one message and gives the answer: messages, each behind its five bytes (grpc.io,
   * PROTOCOL-HTTP2.md). Whoever stops reading ends the call.
   *
   * @throws SlipwayError (from the iteration) by the status: `NOT_FOUND`, `UNSUPPORTED`, `DENIED`,
   * `SERVER_ERROR`; `NETWORK` if the connection broke
   */
  call(method: string, message: Uint8Array, options: GrpcCall): Bytes;
  close(): void;
}

export interface GrpcCall extends Signalled {
  /** what is wanted, for errors: `give a blob` */
  readonly what: string;
}

/** What may come of one call before somebody reads it. */
const CALL_WINDOW_BYTES = 512 * 1024;
/** With HTTP/2's usual 64 KiB pieces of a few bytes come, and a fifth fewer of them a second. */
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
/** Frames of the usual 16 KiB would be pieces of that length, each with its way through all of us. */
const FRAME_BYTES = 1024 * 1024;

/** HTTP's statuses that mean the same as gRPC's; all others are failures of the server. */
const HTTP_STATUS: Readonly<Record<string, number>> = { 5: 404, 7: 403, 12: 501, 16: 401 };

/** Speaks gRPC on a stream to an engine, whose name is for errors. */
export async function openGrpc(opening: Promise<Duplex>, name: string): Promise<GrpcConnection> {
  // Loaded only here, while the engine answers: whoever needs none of it starts sooner.
  const { connect } = process.getBuiltinModule('node:http2');
  const stream = await opening;
  const session = connect('http://localhost', {
    createConnection: () => stream,
    settings: {
      initialWindowSize: CALL_WINDOW_BYTES,
      maxFrameSize: FRAME_BYTES,
      enablePush: false,
    },
  });
  // What breaks the connection is told by the calls on it.
  session.on('error', () => {});
  session.on('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
  return {
    get isOpen() {
      return !session.closed && !session.destroyed;
    },
    async *call(method, message, { signal, what }) {
      signal?.throwIfAborted();
      let call: ClientHttp2Stream | undefined;
      const onAbort = () => call?.destroy();
      signal?.addEventListener('abort', onAbort, { once: true });
      try {
        call = request(session, method);
        const told = statusOf(call);
        call.end(framed(message));
        // Read from the beginning: a short answer that nobody reads yet is gone when it has ended.
        for await (const chunk of call as AsyncIterable<Buffer>) {
          if ((await told.early) === undefined) yield chunk;
        }
        const said = (await told.early) ?? (await told.late);
        if (said['grpc-status'] === '0') return;
        throw refusal(wordsOf(said), { name, what, status: httpStatusOf(said) });
      } catch (error) {
        signal?.throwIfAborted();
        if (error instanceof SlipwayError) throw error;
        const network = new SlipwayError('NETWORK', 'a call broke', { cause: error });
        throw brokenError(network, name);
      } finally {
        signal?.removeEventListener('abort', onAbort);
        call?.destroy();
      }
    },
    close: () => session.destroy(),
  };
}

function request(session: ClientHttp2Session, method: string): ClientHttp2Stream {
  return session.request({
    ':method': 'POST',
    ':path': `/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
  });
}

/** How a call went: told instead of an answer, or behind it. */
function statusOf(call: ClientHttp2Stream): {
  readonly early: Promise<IncomingHttpHeaders | undefined>;
  readonly late: Promise<IncomingHttpHeaders>;
} {
  const early = new Promise<IncomingHttpHeaders | undefined>((resolve, reject) => {
    call.once('response', (headers) => {
      const isAnswer = headers[':status'] === 200 && headers['grpc-status'] === undefined;
      resolve(isAnswer ? undefined : headers);
    });
    call.on('error', reject);
    call.once('close', () => reject(new Error('the call was closed')));
  });
  const late = new Promise<IncomingHttpHeaders>((resolve, reject) => {
    call.once('trailers', resolve);
    call.once('close', () => reject(new Error('the call ended without a status')));
  });
  // Whoever leaves early waits for none of them.
  early.catch(() => {});
  late.catch(() => {});
  return { early, late };
}

function httpStatusOf(said: IncomingHttpHeaders): number {
  const status = said['grpc-status'];
  if (status !== undefined) return HTTP_STATUS[String(status)] ?? 500;
  const answered = Number(said[':status']);
  return answered === 200 ? 500 : answered;
}

function wordsOf({ 'grpc-message': message }: IncomingHttpHeaders): string {
  const text = String(message ?? '');
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A message behind its head: not compressed, and its length. */
function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}
