import type { Rule } from './proxy.ts';
import type { TokenOptions } from './token-service.ts';

/** How a run has to end. */
export type Ending =
  /** the image is there and the client says so */
  | 'ok'
  /** the client says within two seconds, with this exit code, what the registry said */
  | { readonly exit: number; readonly says: RegExp };

/** One line of the catalogue: what goes wrong, and how the run has to end. */
export interface Row {
  /** name in the report and in test names */
  readonly title: string;
  /** made anew for each run */
  readonly rules: () => readonly Rule[];
  readonly ends: Ending;
  readonly tokens?: TokenOptions;
  readonly closesIdleAfterMs?: number;
  /** copied from another repository of the same registry, so that mounts are asked for */
  readonly isMounted?: boolean;
  /** the host's name in references; `127.0.0.1` if left out */
  readonly hostname?: string;
  /** slipway's `--idle-timeout`, if it isn't to be short */
  readonly idleSeconds?: number;
  /** the run takes at least this long, or it didn't wait as it was asked */
  readonly atLeastMs?: number;
  /** bodies that the client sends, in sizes of the image; more is a needless repetition */
  readonly sentAtMost?: number;
  /** nothing strikes in a client that takes another way */
  readonly mayNotStrike?: boolean;
  /** no client could get through it before the other one */
  readonly only?: 'embedded';
}

const UPLOADS = /\/blobs\/uploads\//;

/** Requests that rules are about. */
export const OPEN = { method: /^POST$/, path: UPLOADS };
export const MOUNT = { method: /^POST$/, path: /[?&]mount=/ };
export const BODY = { method: /^(?:PUT|PATCH)$/, path: UPLOADS };
export const PATCH = { method: /^PATCH$/, path: UPLOADS };
export const COMMIT = { method: /^PUT$/, path: UPLOADS };
export const BLOB_HEAD = { method: /^HEAD$/, path: /\/blobs\/sha256:/ };
export const ANY_HEAD = { method: /^HEAD$/ };
export const MANIFEST = { method: /^PUT$/, path: /\/manifests\// };
export const PING = { path: /^\/v2\/$/ };
