/**
 * Every failure that Slipway reports is a {@link SlipwayError}: a stable `code`, a message that says
 * what failed and where, and a hint that says what to do. Exit codes derive from `code`.
 */

/** Stable names of failures. Programs branch on these, never on messages. */
export type ErrorCode =
  /** wrong arguments */
  | 'USAGE'
  /** a configuration file that can't be used */
  | 'CONFIG_INVALID'
  /** a local file or folder that was named isn't there or can't be read */
  | 'FILE_NOT_FOUND'
  /** a reference, tag, digest, platform or location that doesn't parse */
  | 'REFERENCE_INVALID'
  /** a file that isn't an archive or layout, or one that no reader should trust */
  | 'ARCHIVE_INVALID'
  /** not logged in, or credentials refused */
  | 'AUTH_REQUIRED'
  /** credentials would have to go to a place they don't belong to */
  | 'AUTH_REALM_REFUSED'
  /** logged in, but not allowed */
  | 'DENIED'
  /** image, tag, repository or blob isn't there */
  | 'NOT_FOUND'
  /** the image has none of the platforms that were asked for */
  | 'PLATFORM_NOT_FOUND'
  | 'RATE_LIMITED'
  | 'QUOTA_EXCEEDED'
  /** no space left, there or here */
  | 'NO_SPACE'
  | 'TAG_IMMUTABLE'
  /** `--if-absent` or `--if-digest` doesn't hold */
  | 'CONDITION_FAILED'
  /** the registry doesn't accept this: kind of content, read-only, delete not supported */
  | 'UNSUPPORTED'
  /** no connection: DNS, refused, reset, timed out */
  | 'NETWORK'
  | 'TLS'
  /** 5xx after all retries */
  | 'SERVER_ERROR'
  /** what answers isn't a registry, or breaks the protocol */
  | 'NOT_A_REGISTRY'
  /** an answer or a document is larger than any honest one */
  | 'LIMIT_EXCEEDED'
  /** bytes don't match their digest */
  | 'DIGEST_MISMATCH'
  /** more or fewer bytes than announced, or a file that ends too early */
  | 'SIZE_MISMATCH'
  /** a manifest, index, config or descriptor that isn't valid, or could be two things */
  | 'CONTENT_INVALID'
  /** content that a manifest names isn't in the source */
  | 'CONTENT_MISSING'
  /** some destinations done, others failed */
  | 'PARTIAL'
  | 'COMMAND_FAILED'
  | 'NO_ENGINE'
  | 'INTERRUPTED'
  /** anything else; a bug of ours if it reaches a user */
  | 'INTERNAL';

/** Which end of a copy failed. */
export type Side = 'source' | 'destination';

/** One entry of a registry's error body (distribution-spec, "Error Codes"). */
export interface RegistryErrorDetail {
  readonly code: string;
  readonly message?: string;
  readonly detail?: unknown;
}

/** Where and why, beside the message. All fields are plain data. */
export interface ErrorFacts {
  readonly side?: Side;
  /** registry host with port, as the user wrote it */
  readonly host?: string;
  readonly repository?: string;
  readonly reference?: string;
  readonly digest?: string;
  /** local file or folder */
  readonly path?: string;
  /** HTTP status of the answer */
  readonly status?: number;
  /** what the registry said, in its own words (already made printable) */
  readonly registryErrors?: readonly RegistryErrorDetail[];
  /** what to do, and who can do it */
  readonly hint?: string;
  /** the same step may succeed if it is repeated */
  readonly transient?: boolean;
  /**
   * the connection had served other requests, and was closed before this one was answered: it may
   * never have arrived
   */
  readonly staleConnection?: boolean;
  /** how long the other side asked to wait before that */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The one error class of Slipway. */
export class SlipwayError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(visible(message), facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'SlipwayError';
    this.code = code;
    this.facts = facts.hint === undefined ? facts : { ...facts, hint: visible(facts.hint) };
  }

  get hint(): string | undefined {
    return this.facts.hint;
  }

  /** The same failure with more facts; facts that are already known win. */
  with(facts: ErrorFacts): SlipwayError {
    const merged = { ...facts, ...this.facts };
    const error = new SlipwayError(this.code, this.message, merged);
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }
}

/**
 * Control characters and direction overrides as escapes: a text in quotes keeps some of them, and
 * not everybody who prints a message makes it harmless.
 */
function visible(text: string): string {
  return text.replace(
    /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** True for a Slipway error, with one of `codes` if any are given. */
export function isSlipwayError(error: unknown, ...codes: ErrorCode[]): error is SlipwayError {
  return error instanceof SlipwayError && (codes.length === 0 || codes.includes(error.code));
}

/** The system's error code (`ENOENT`, `ECONNREFUSED` …) of whatever was thrown, or undefined. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' ? code : undefined;
}
