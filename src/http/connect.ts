import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { isAlert, isUnknownAuthority } from './connection-error.ts';
import { connectionOptions, type TlsSettings } from './tls.ts';

/** Opens connections for a pool. */
export type Connector = buildConnector.connector;

/**
 * Makes the connector of one origin, direct or through what `under` opens.
 *
 * The system's authorities are read only for a certificate that Node's own don't know: most
 * connections never need them, and they take longer to read than a registry to answer.
 */
export function createConnector(
  settings: TlsSettings | undefined,
  timeoutMs: number,
  under?: () => Promise<Socket>,
): Connector {
  const make = (withSystem: boolean): Connector =>
    buildConnector({
      allowH2: false,
      ...connectionOptions(settings, withSystem),
      timeout: timeoutMs,
    });
  let usual: Connector | undefined;
  let wide: Connector | undefined;

  const attempt = async (
    options: buildConnector.Options,
    callback: buildConnector.Callback,
  ): Promise<void> => {
    const isWide = wide !== undefined;
    usual ??= make(false);
    const connect = wide ?? usual;
    const httpSocket = await under?.();
    connect({ ...options, ...(httpSocket && { httpSocket }) }, (error, socket) => {
      if (error === null) {
        // A server that minds our certificate says so after the handshake, as an error that ends
        // nothing by itself; what would be told is only that the connection is gone.
        socket.on('error', (late) => {
          if (isAlert(late)) socket.destroy(late);
        });
        return callback(null, socket);
      }
      const isFixed = settings?.skipVerify === true || settings?.isOnlyAuthority === true;
      const mayHelp = !isWide && !isFixed && isUnknownAuthority(error);
      if (!mayHelp) return callback(error, null);
      wide ??= make(true);
      begin(options, callback);
    });
  };
  const begin: Connector = (options, callback) => {
    attempt(options, callback).catch((error: Error) => callback(error, null));
  };
  return begin;
}

/** One connection from a connector. */
export function connectOnce(connector: Connector, url: URL): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = {
      hostname: url.hostname.replace(/^\[|\]$/g, ''),
      host: url.host,
      protocol: url.protocol,
      port: url.port,
    };
    connector(options, (error, socket) => (error === null ? resolve(socket) : reject(error)));
  });
}
