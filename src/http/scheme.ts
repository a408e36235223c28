import { connect } from 'node:tls';
import { systemCode } from '../errors.ts';
import { orAborted } from './abort.ts';
import { connectionError, isAboutClient, isCertificateCode, isNotTls } from './connection-error.ts';
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
