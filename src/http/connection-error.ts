import { errors } from 'undici';
import { SlipwayError, systemCode } from '../errors.ts';
import { showText } from './shown.ts';

/** What a failed connection means, in our words. Errors of Slipway's own pass through. */
export function connectionError(error: unknown, url: URL): unknown {
  if (error instanceof SlipwayError) return error;
  const code = deepestCode(error);
  const host = url.host;
  const network = (message: string, transient: boolean, hint?: string) =>
    new SlipwayError('NETWORK', message, {
      host,
      transient,
      ...(hint === undefined ? {} : { hint }),
      cause: plainCause(error),
    });
  switch (code) {
    case 'ENOTFOUND':
      return network(`no such host: ${url.hostname}`, false, 'check the name of the registry');
    case 'EAI_AGAIN':
      return network(`the name ${url.hostname} can't be looked up just now`, true);
    case 'ECONNREFUSED':
      return network(
        `${host} refused the connection${triedAddresses(error)}`,
        true,
        'is the registry running, and is this the right port?',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return network(`there is no route to ${host}${triedAddresses(error)}`, true);
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
      return network(`${host} did not answer the connection in time`, true);
    case 'UND_ERR_HEADERS_TIMEOUT':
    case 'UND_ERR_BODY_TIMEOUT':
      return stalled(url, error);
    case 'ECONNRESET':
    case 'EPIPE':
    case 'UND_ERR_SOCKET':
    case 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH':
      return network(`${host} cut the connection`, true);
    case 'UND_ERR_DESTROYED':
    case 'UND_ERR_CLOSED':
      // Our own doing: whoever still waits then must not try again.
      return network(`the connections to ${host} were closed`, false);
    case 'UND_ERR_HEADERS_OVERFLOW':
      return new SlipwayError('LIMIT_EXCEEDED', `${host} sent too large headers`, { host });
  }
  if (code !== undefined && (NOT_TLS.has(code) || code === 'EPROTO')) {
    return new SlipwayError('TLS', `${host} does not speak TLS, or none that we accept`, {
      host,
      hint: `if this registry is meant to be plain http, say --plain-http ${host}`,
      cause: plainCause(error),
    });
  }
  if (code !== undefined && isCertificateCode(code)) {
    return new SlipwayError(
      'TLS',
      `the certificate of ${host} isn't trusted: ${certificate(code)}`,
      {
        host,
        hint: certificateHint(code, host),
        cause: plainCause(error),
      },
    );
  }
  if (error instanceof errors.HTTPParserError) {
    return new SlipwayError('NOT_A_REGISTRY', `what answers at ${host} is no HTTP server`, {
      host,
      ...(url.protocol === 'http:' ? { hint: 'it may want TLS: leave --plain-http away' } : {}),
      cause: plainCause(error),
    });
  }
  const wants = clientAlert(code);
  if (wants !== undefined) return clientCertificateWanted(host, wants);
  if (code !== undefined && /^ERR_(?:SSL|TLS|OSSL)_/.test(code)) {
    return new SlipwayError('TLS', `no TLS connection to ${host} came about: ${code}`, {
      host,
      hint: 'the registry may want a client certificate, or another version of TLS',
      cause: plainCause(error),
    });
  }
  if (code !== undefined && /^E[A-Z0-9]+$/.test(code)) {
    return network(`no connection to ${host}: ${code}`, false);
  }
  return error;
}

/** The error for a host from which nothing comes any more, or which takes nothing. */
export function stalled(url: URL, cause?: unknown): SlipwayError {
  return new SlipwayError('NETWORK', `${url.host} stopped answering`, {
    host: url.host,
    transient: true,
    ...(cause === undefined ? {} : { cause: plainCause(cause) }),
  });
}

/** OpenSSL's codes for an answer that isn't TLS at all. */
const NOT_TLS: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_UNKNOWN_PROTOCOL',
  'ERR_SSL_RECORD_LAYER_FAILURE',
]);

/** True if a TLS handshake failed because the other side doesn't speak TLS at all. */
export function isNotTls(error: unknown): boolean {
  const code = deepestCode(error);
  return code !== undefined && NOT_TLS.has(code);
}

const CERTIFICATE_CODES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is unknown here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is unknown here',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is unknown here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is unknown here',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
};

/** True for the codes of a certificate that was refused. */
export function isCertificateCode(code: string): boolean {
  return Object.hasOwn(CERTIFICATE_CODES, code) || code.startsWith('CERT_');
}

const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/** True if a certificate was refused that more authorities might vouch for. */
export function isUnknownAuthority(error: unknown): boolean {
  return UNKNOWN_AUTHORITY.has(deepestCode(error) ?? '');
}

/** The server's alerts about the certificate that we showed, or didn't; their prefixes vary. */
const CLIENT_CERTIFICATE_ALERTS: Readonly<Record<string, string>> = {
  CERTIFICATE_REQUIRED: 'wants a client certificate',
  BAD_CERTIFICATE: 'wants another client certificate, or one at all',
  CERTIFICATE_EXPIRED: 'says that the client certificate has expired',
  CERTIFICATE_REVOKED: 'says that the client certificate was revoked',
  CERTIFICATE_UNKNOWN: 'does not accept the client certificate',
  UNSUPPORTED_CERTIFICATE: 'does not accept the client certificate',
  UNKNOWN_CA: 'does not know the authority of the client certificate',
};

const ALERT = /^ERR_SSL_.*_ALERT_(.+)$/;

/** True for the other side's own word that TLS is over. */
export function isAlert(error: unknown): boolean {
  return ALERT.test(systemCode(error) ?? '');
}

/** True for the alert of a server that wants to know who connects. */
export function isAboutClient(error: unknown): boolean {
  return clientAlert(systemCode(error)) !== undefined;
}

function clientAlert(code: string | undefined): string | undefined {
  return CLIENT_CERTIFICATE_ALERTS[ALERT.exec(code ?? '')?.[1] ?? ''];
}

/** The error of a server that wants to know who connects. */
export function clientCertificateWanted(host: string, says: string): SlipwayError {
  return new SlipwayError('TLS', `${host} ${says}`, {
    host,
    hint: `put client.cert and client.key into /etc/docker/certs.d/${host}`,
  });
}

function certificateHint(code: string, host: string): string {
  const orSkip = `or say --skip-tls-verify ${host}`;
  if (UNKNOWN_AUTHORITY.has(code)) {
    return `put its authority's certificate at /etc/docker/certs.d/${host}/ca.crt (or name it in SSL_CERT_FILE), ${orSkip}`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `call the registry by a name that its certificate has, ${orSkip}`;
  }
  return `whoever runs ${host} has to renew it, ${orSkip}`;
}

function certificate(code: string): string {
  const reason = CERTIFICATE_CODES[code] ?? code;
  const isAboutTime = code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID';
  // A wrong clock looks like a bad certificate.
  return isAboutTime ? `${reason} (this machine says ${new Date().toISOString()})` : reason;
}

/** The code of the innermost error: libraries wrap the system's. */
export function deepestCode(error: unknown): string | undefined {
  let code: string | undefined;
  let current = error;
  for (let depth = 0; depth < 8 && typeof current === 'object' && current !== null; depth++) {
    code = systemCode(current) ?? code;
    const { cause, errors } = current as { cause?: unknown; errors?: unknown };
    current = cause ?? (Array.isArray(errors) ? errors[0] : undefined);
  }
  return code;
}

function triedAddresses(error: unknown): string {
  const addresses = new Set<string>();
  const visit = (value: unknown, depth: number): void => {
    if (depth > 4 || typeof value !== 'object' || value === null) return;
    const { address, port, errors, cause } = value as Record<string, unknown>;
    if (typeof address === 'string') addresses.add(`${address} port ${String(port)}`);
    if (Array.isArray(errors)) for (const each of errors) visit(each, depth + 1);
    visit(cause, depth + 1);
  };
  visit(error, 0);
  return addresses.size === 0 ? '' : ` (tried ${[...addresses].join(', ')})`;
}

/**
 * What a library threw, without all that it hangs on its errors: received bytes, addresses with a
 * password, headers. Whoever prints an error with its causes would print that too.
 */
function plainCause(error: unknown): Error {
  const { name, message } = error instanceof Error ? error : new Error('not an error');
  const plain = Object.assign(new Error(showText(message)), { name });
  const code = systemCode(error);
  return code === undefined ? plain : Object.assign(plain, { code });
}
