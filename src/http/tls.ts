/** What is special about TLS to one host. Without it: the system's authorities, full checks. */
export interface TlsSettings {
  /** the user said that this host's certificate need not be checked */
  readonly skipVerify?: boolean;
  /** PEM, instead of the system's authorities */
  readonly ca?: string;
  /** PEM of a client certificate, offered to this host only */
  readonly cert?: string;
  readonly key?: string;
}

/** The one place where checks can be switched off. */
export function connectionOptions(settings: TlsSettings = {}): {
  rejectUnauthorized: boolean;
  ca?: string;
  cert?: string;
  key?: string;
} {
  const { skipVerify = false, ca, cert, key } = settings;
  return {
    rejectUnauthorized: !skipVerify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}
