import net from 'node:net';
import { connect } from 'node:tls';
import { systemCode } from '../errors.ts';
import { orAborted } from './abort.ts';
import { connectionError, isAboutClient, isCertificateCode, isNotTls } from './connection-error.ts';
import { isLoopback } from './origin.ts';
import { CONNECT_TIMEOUT_MS, type RouteLookup } from './route.ts';
import { openTunnel } from './tunnel.ts';

/**
 * Finds out whether a host that may speak plain http speaks TLS, without sending anything to it.
 *
 * Only an answer that isn't TLS at all means http. A certificate that isn't trusted means TLS; a
 * handshake that fails is an error, never a reason for http.
 *
 * @param host `name[:port]`; the port of https if left out
 * @param route of which the proxy and the time limit are used
 * @throws SlipwayError `NETWORK`, `TLS`
 */
export async function probeScheme(
  host: string,
  {
    timeoutMs: wantedMs,
    route,
    signal,
  }: { timeoutMs?: number; route?: RouteLookup; signal?: AbortSignal | undefined } = {},
): Promise<'https' | 'http'> {
  const url = new URL(`https://${host}`);
  const name = url.hostname.replace(/^\[|\]$/g, '');
  signal?.throwIfAborted();
  const { proxy, connectTimeoutMs = CONNECT_TIMEOUT_MS } = (await route?.(url)) ?? {};
  const timeoutMs = wantedMs ?? connectTimeoutMs;
  if (proxy === undefined && isLoopback(name)) {
    if (await saysHttp(name, Number(url.port === '' ? 443 : url.port), signal)) return 'http';
  }
  const tunnel = proxy && (await orAborted(openTunnel(proxy, url, timeoutMs), signal));
  return await new Promise((resolve, reject) => {
    const socket = connect({
      host: name,
      // Nobody's certificate is looked at, so no authorities are read.
      ca: [],
      port: Number(url.port === '' ? 443 : url.port),
      ...(tunnel && { socket: tunnel }),
      ...(/^[0-9.]+$|:/.test(name) ? {} : { servername: name }),
    });
    const onAbort = () => settle(() => reject(signal?.reason));
    const settle = (finish: () => void): void => {
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      finish();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.setTimeout(timeoutMs, () => {
      const late = Object.assign(new Error('handshake timed out'), { code: 'ETIMEDOUT' });
      settle(() => reject(connectionError(late, url)));
    });
    socket.once('secureConnect', () => settle(() => resolve('https')));
    socket.once('error', (error) => {
      if (isNotTls(error)) return settle(() => resolve('http'));
      // Here nobody shows a certificate, neither they one that is known nor we one at all.
      const isTls = isCertificateCode(systemCode(error) ?? '') || isAboutClient(error);
      if (isTls) return settle(() => resolve('https'));
      settle(() => reject(connectionError(error, url)));
    });
  });
}

/** What starts like a handshake and ends like a line: whoever speaks either answers at once. */
const GREETING = Buffer.from('\x16\x03\x01\x00\x04\xff\x00\x00\x00\r\n\r\n', 'latin1');
const ANSWER_MS = 1_000;

/**
 * True if a server on this machine answers in http to what isn't http. All else is left to a real
 * handshake, for which half of a short command's time would go: TLS is not even loaded here.
 */
async function saysHttp(
  host: string,
  port: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, ...(signal && { signal }) });
    const settle = (isHttp: boolean): void => {
      socket.destroy();
      resolve(isHttp);
    };
    socket.setTimeout(ANSWER_MS, () => settle(false));
    socket.on('error', () => {
      if (signal?.aborted) reject(signal.reason);
      else settle(false);
    });
    socket.on('end', () => settle(false));
    socket.on('connect', () => socket.write(GREETING));
    socket.once('data', (head) => settle(head.toString('latin1', 0, 7) === 'HTTP/1.'));
  });
}
