import type { RequestListener } from 'node:http';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { type KeyPair, makeCertificate, serveTls } from '../http/certificates.ts';
import type { Owner } from '../rig/lifetime.ts';

/** A server with TLS that asks for a client certificate and writes down what it is given. */
export interface TlsOrigin {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** PEM of the certificate, which is its own authority */
  readonly certificate: KeyPair;
  /** request lines and headers */
  readonly requests: string[];
  /** subjects of the certificates that clients showed; empty texts for none */
  readonly clients: string[];
}

/** Starts a server with a certificate for 127.0.0.1 that nobody trusts yet. */
export async function startTlsOrigin(
  owner: Owner,
  listener: RequestListener,
  options: TlsOptions = {},
): Promise<TlsOrigin> {
  const certificate = await makeCertificate(owner);
  const requests: string[] = [];
  const clients: string[] = [];
  const host = await serveTls(
    owner,
    certificate,
    (request, response) => {
      const shown = (request.socket as TLSSocket).getPeerCertificate();
      clients.push(shown.fingerprint256 ?? '');
      requests.push([`${request.method} ${request.url}`, ...request.rawHeaders].join('\n'));
      request.resume();
      listener(request, response);
    },
    { requestCert: true, rejectUnauthorized: false, ...options },
  );
  return { host, certificate, requests, clients };
}
