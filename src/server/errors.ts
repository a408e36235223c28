import { isSlipwayError, SlipwayError } from '../errors.ts';

/** The codes of a registry's error body (distribution-spec, "Error Codes"), and `UNKNOWN`. */
export type RefusalCode = keyof typeof STATUS;

const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNKNOWN: 500,
} as const;

interface RefusalFacts {
  /** HTTP status, if it isn't the usual one of the code */
  readonly status?: number;
  readonly detail?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that isn't granted: what the client is told, word for word. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly status: number;
  readonly detail: unknown;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RefusalCode, message: string, facts: RefusalFacts = {}) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.status = facts.status ?? STATUS[code];
    this.detail = facts.detail;
    this.headers = facts.headers ?? {};
  }

  /** The body of the answer. */
  toBody(): string {
    const { code, message, detail } = this;
    return JSON.stringify({
      errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }],
    });
  }
}

/**
 * What a failure means to a client. Paths of this machine and words of the system stay here:
 * undefined means that it is nobody's business but the operator's.
 */
export function refusalOf(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  if (!(error instanceof SlipwayError)) return undefined;
  // An error about a file of ours names it.
  if (error.facts.path !== undefined && error.code !== 'NO_SPACE') return undefined;
  switch (error.code) {
    case 'DIGEST_MISMATCH':
      return new Refusal('DIGEST_INVALID', error.message);
    case 'SIZE_MISMATCH':
      return new Refusal('SIZE_INVALID', error.message);
    case 'CONTENT_INVALID':
      return new Refusal('MANIFEST_INVALID', error.message);
    case 'CONTENT_MISSING':
      return new Refusal('MANIFEST_BLOB_UNKNOWN', error.message, {
        detail: { digests: [error.facts.digest] },
      });
    case 'LIMIT_EXCEEDED':
      return new Refusal('MANIFEST_INVALID', error.message, { status: 413 });
    case 'NO_SPACE':
      return new Refusal('DENIED', 'the registry has no space left on its disk', { status: 507 });
    default:
      return undefined;
  }
}

/**
 * Waits for content that is being served. What somebody removes between the look at it and its
 * first byte isn't there, as if they had been earlier.
 *
 * @throws Refusal what `unknown` makes
 */
export async function unlessRemoved(serving: Promise<void>, unknown: () => Refusal): Promise<void> {
  try {
    await serving;
  } catch (error) {
    throw isSlipwayError(error, 'NOT_FOUND') ? unknown() : error;
  }
}
