/** How a registry is run. Everything may be left out. */
export interface RegistryOptions {
  /** folder of the repositories; left out, a temporary one that goes when the registry ends */
  readonly storage?: string | undefined;
  /** where to listen; 127.0.0.1 and a free port if left out */
  readonly listen?: { readonly host?: string | undefined; readonly port?: number | undefined };
  /** password file with bcrypt hashes, as `htpasswd -B` makes it: every request needs a login then */
  readonly htpasswd?: string | undefined;
  /** refuse everything that would change something */
  readonly readOnly?: boolean | undefined;
  /**
   * take manifests also while some of what they name isn't there, and say so in a `Warning`; true
   * if left out
   */
  readonly sparse?: boolean | undefined;
  /** the most that all repositories may take on disk */
  readonly maxBytes?: number | undefined;
  /** how many uploads may be open at once, 2048 if left out */
  readonly maxUploads?: number | undefined;
  /** how long an upload lives that nobody touches, an hour if left out */
  readonly uploadExpiryMs?: number | undefined;
  /** how long a connection may be silent while a body goes either way, two minutes if left out */
  readonly idleTimeoutMs?: number | undefined;
  /**
   * how slowly the body of a request may come, in bytes a second: whoever falls behind by more than
   * `idleTimeoutMs` loses the connection; 500 if left out, 0 for no bound
   */
  readonly minBytesPerSecond?: number | undefined;
  /** how long the end waits for requests that are being answered, two seconds if left out */
  readonly graceMs?: number | undefined;
  /** told what happens, synchronously; it must not throw */
  readonly log?: ((event: RegistryEvent) => void) | undefined;
  /** ends the registry */
  readonly signal?: AbortSignal | undefined;
}

/** What a registry tells about itself. Text of clients was made printable. */
export type RegistryEvent =
  | {
      readonly type: 'request';
      readonly method: string;
      readonly path: string;
      readonly status: number;
      readonly durationMs: number;
    }
  /** A request that failed for a reason that its client isn't told. */
  | {
      readonly type: 'failure';
      readonly method: string;
      readonly path: string;
      readonly error: unknown;
    }
  | { readonly type: 'warning'; readonly message: string };
