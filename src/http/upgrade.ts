import type { Duplex } from 'node:stream';
import type { Dispatcher } from 'undici';

/** A connection that was turned into a stream, or the answer that says why not. */
export type Upgraded =
  | { readonly stream: Duplex }
  | {
      readonly status: number;
      /** what it said, cut */
      readonly body: Buffer;
    };

const MAX_BODY_BYTES = 64 * 1024;

/** Asks for an upgrade (RFC 9110, 7.8). The library's own method drops a refusal's words. */
export function requestUpgrade(
  dispatcher: Dispatcher,
  options: Omit<Dispatcher.DispatchOptions, 'upgrade'>,
  protocol: string,
  signal: AbortSignal | undefined,
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    let status = 0;
    const chunks: Buffer[] = [];
    let size = 0;
    let abort = (): void => {};
    const settled = (): void => signal?.removeEventListener('abort', abort);
    dispatcher.dispatch(
      { ...options, upgrade: protocol },
      {
        onRequestStart(controller) {
          abort = () => controller.abort(signal?.reason);
          if (signal?.aborted) abort();
          else signal?.addEventListener('abort', abort, { once: true });
        },
        onRequestUpgrade(_controller, _status, _headers, socket) {
          settled();
          resolve({ stream: socket });
        },
        onResponseStart(_controller, code) {
          status = code;
        },
        onResponseData(_controller, chunk) {
          if (size < MAX_BODY_BYTES) chunks.push(chunk);
          size += chunk.byteLength;
        },
        onResponseEnd() {
          settled();
          resolve({ status, body: Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES) });
        },
        onResponseError(_controller, error) {
          settled();
          reject(error);
        },
      },
    );
  });
}
