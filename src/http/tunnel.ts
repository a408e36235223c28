import { request } from 'node:http';
import type { Socket } from 'node:net';
import { keepLogin } from '../bytes/secrets.ts';
import { SlipwayError } from '../errors.ts';
import { type Connector, connectOnce, createConnector } from './connect.ts';
import { connectionError } from './connection-error.ts';

const MAX_HEADER_BYTES = 64 * 1024;

/** The Proxy-Authorization header for a proxy whose URL holds a login. */
export function proxyAuthorization(proxy: URL): Record<string, string> {
  if (proxy.username === '' && proxy.password === '') return {};
  const [username, password] = [decode(proxy.username), decode(proxy.password)];
  keepLogin(username, password);
  const login = `${username}:${password}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * A connector to the proxy itself; its certificate is checked, and it never sees a client
 * certificate. Failures are told as the proxy's.
 */
export function proxyConnector(proxy: URL, target: URL, timeoutMs: number): Connector {
  const connect = createConnector(undefined, timeoutMs);
  return (options, callback) => {
    // The library takes the server's name from the Host header, which is the target's.
    const { servername: _, ...ownName } = options;
    connect(ownName, (error, socket) => {
      if (error === null) return callback(null, socket);
      callback(proxyFailed(proxy, target, error), null);
    });
  };
}

/**
 * Opens a way through a proxy to a host (RFC 9110, 9.3.6). What the proxy refuses is told as the
 * proxy's refusal, without its password.
 *
 * @throws SlipwayError `NETWORK`, `TLS`
 */
export async function openTunnel(proxy: URL, target: URL, timeoutMs: number): Promise<Socket> {
  const socket = await connectOnce(proxyConnector(proxy, target, timeoutMs), proxy);
  const port = target.port === '' ? (target.protocol === 'https:' ? '443' : '80') : target.port;
  const authority = `${target.hostname}:${port}`;
  return await new Promise((resolve, reject) => {
    const end = (error: SlipwayError): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const fail = (error: unknown): void => end(proxyFailed(proxy, target, error));
    const timer = setTimeout(() => {
      fail(Object.assign(new Error('no answer to CONNECT'), { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    const asking = request({
      createConnection: () => socket,
      method: 'CONNECT',
      path: authority,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: {
        host: authority,
        'user-agent': 'slipway',
        connection: 'keep-alive',
        'proxy-connection': 'keep-alive',
        ...proxyAuthorization(proxy),
      },
    });
    asking.once('error', fail);
    asking.once('connect', ({ statusCode = 0 }, _socket, head) => {
      const isOpen = statusCode >= 200 && statusCode < 300;
      if (!isOpen) return end(proxyRefused(proxy, target, statusCode));
      // TLS begins with our hello: whatever came before it is nobody's.
      if (head.byteLength > 0) return fail(new Error('bytes before the tunnel'));
      clearTimeout(timer);
      asking.off('error', fail);
      resolve(socket);
    });
    asking.end();
  });
}

/** What a proxy's own answer means. */
export function proxyRefused(proxy: URL, target: URL, status: number): SlipwayError {
  const hasLogin = proxy.username !== '';
  const said =
    status === 407
      ? hasLogin
        ? 'refuses the login'
        : 'wants a login'
      : `does not let us through (it answered ${status})`;
  return new SlipwayError(
    'NETWORK',
    `the proxy ${proxy.host} ${said}, on the way to ${target.host}`,
    {
      host: target.host,
      transient: status === 408 || status === 429 || (status >= 500 && status !== 501),
      hint:
        status === 407
          ? 'put the login into the URL of the proxy: http://USER:PASSWORD@HOST:PORT'
          : `whoever runs the proxy can allow it; NO_PROXY=${target.hostname} goes past it`,
    },
  );
}

function proxyFailed(proxy: URL, target: URL, error: unknown): SlipwayError {
  const told = connectionError(error, proxy);
  const isTold = told instanceof SlipwayError;
  const why = isTold ? told.message : 'it does not answer as a proxy does';
  return new SlipwayError(
    isTold ? told.code : 'NETWORK',
    `the proxy ${proxy.host}, on the way to ${target.host}: ${why}`,
    {
      host: target.host,
      transient: isTold && told.facts.transient === true,
      hint: `check HTTPS_PROXY and HTTP_PROXY; NO_PROXY=${target.hostname} goes past the proxy`,
      cause: error,
    },
  );
}
