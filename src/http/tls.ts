import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** A client certificate and its key, PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What is special about TLS to one host. Without it: the usual authorities, full checks. */
export interface TlsSettings {
  /** the user said that this host's certificate need not be checked */
  readonly skipVerify?: boolean;
  /** PEM of more authorities, beside the usual ones */
  readonly ca?: string;
  /** `ca` stands in for the usual authorities */
  readonly isOnlyAuthority?: boolean;
  /** offered to this host only; of two with the same kind of key the last one */
  readonly clientCertificates?: readonly ClientCertificate[];
}

/**
 * The one place where checks can be switched off.
 *
 * @param withSystem also the authorities of the system (`SSL_CERT_FILE`, `SSL_CERT_DIR`, else its
 * own places), which take a moment to read; without them Node's own and `NODE_EXTRA_CA_CERTS`
 */
export function connectionOptions(
  settings: TlsSettings = {},
  withSystem = false,
): { rejectUnauthorized: boolean; secureContext?: SecureContext } {
  const { skipVerify = false, ca, isOnlyAuthority = false, clientCertificates = [] } = settings;
  const rejectUnauthorized = !skipVerify;
  if (ca === undefined && clientCertificates.length === 0 && !withSystem) {
    return { rejectUnauthorized };
  }
  // Made once for all connections: reading some hundred certificates takes 30 ms.
  const secureContext = createSecureContext({
    ca: isOnlyAuthority && ca !== undefined ? ca : authorities(ca, withSystem),
    cert: clientCertificates.map(({ cert }) => cert),
    key: clientCertificates.map(({ key }) => key),
  });
  return { rejectUnauthorized, secureContext };
}

function authorities(own: string | undefined, withSystem: boolean): string[] {
  return [
    ...new Set([
      ...getCACertificates('default'),
      ...(withSystem ? getCACertificates('system') : []),
      ...(own === undefined ? [] : [own]),
    ]),
  ];
}
