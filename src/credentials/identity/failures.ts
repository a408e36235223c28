import { printable } from '../../bytes/printable.ts';
import { type ErrorCode, isSlipwayError, SlipwayError } from '../../errors.ts';
import { isCertificateCode } from '../../http/connection-error.ts';
import { showText } from '../../http/shown.ts';

/** What of a library's error is looked at; none of them is of one kind. */
interface LibraryError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly response?: { readonly status?: unknown };
  readonly $metadata?: { readonly httpStatusCode?: unknown };
  /** what Entra said */
  readonly errorResponse?: { readonly errorDescription?: unknown };
  readonly cause?: unknown;
  readonly errors?: unknown;
}

const MAX_DEPTH = 6;
const UNREACHED =
  /^(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|TimeoutError|AbortError|REQUEST_SEND_ERROR)$/;
/** Azure's library has no other sign of it. */
const UNREACHED_WORDS = /\b(?:network_error|endpoints_resolution_error):/;

/**
 * What a cloud, or its library, said to an exchange of an identity. The library's error itself is
 * left behind: requests with their tokens hang on it. The libraries have repeated what may be mended
 * by that.
 */
export function identityError(error: unknown, cloud: string, host: string): SlipwayError {
  if (isSlipwayError(error)) return error.with({ host });
  const all = chainOf(error);
  const wasUnreached = isUnreached(error);
  const status = wasUnreached ? undefined : all.map(statusOf).find((it) => it !== undefined);
  const said = all
    .flatMap(({ errorResponse, message }) => [errorResponse?.errorDescription, message])
    .find((it) => typeof it === 'string' && it !== '');
  // The words of a parser quote what they couldn't read.
  const isQuote = all.some(({ name }) => name === 'SyntaxError');
  const isSaid = typeof said === 'string' && !isQuote;
  const words = isSaid ? printable(showText(said)) : 'what it answered is not understood';
  const facts = { host, ...(status === undefined ? {} : { status }) };
  const failed = (code: ErrorCode, hint: string) =>
    new SlipwayError(code, `the ${cloud} identity got no login for ${host}: ${words}`, {
      ...facts,
      hint,
    });
  if (status === 429) return failed('RATE_LIMITED', 'wait a little, then try again');
  if (status !== undefined && status >= 500) {
    return failed('SERVER_ERROR', `${cloud} could not answer: try again later`);
  }
  if (all.some(({ code }) => typeof code === 'string' && isCertificateCode(code))) {
    return failed('TLS', 'trust the authority of whoever is between: NODE_EXTRA_CA_CERTS=FILE');
  }
  if (wasUnreached) {
    return failed('NETWORK', `is the login service of ${cloud} reachable from here?`);
  }
  return failed('AUTH_REQUIRED', `may this identity log in to ${host}? See docs/identity.md`);
}

/** True if nothing was said at all: who should be asked could not be reached, or took too long. */
export function isUnreached(error: unknown): boolean {
  return chainOf(error).some(({ code, name, message, errorResponse }) => {
    const words = [message, errorResponse?.errorDescription];
    return (
      [code, name].some((kind) => typeof kind === 'string' && UNREACHED.test(kind)) ||
      words.some((text) => typeof text === 'string' && UNREACHED_WORDS.test(text))
    );
  });
}

function statusOf(error: LibraryError): number | undefined {
  const { $metadata, response, status, statusCode } = error;
  const found = [$metadata?.httpStatusCode, response?.status, status, statusCode];
  return found.map(Number).find((it) => Number.isInteger(it) && it >= 100 && it < 600);
}

/** An error, and what caused it, outermost first. */
function chainOf(error: unknown, depth = 0): readonly LibraryError[] {
  if (typeof error !== 'object' || error === null || depth > MAX_DEPTH) return [];
  const one: LibraryError = error;
  const parts = Array.isArray(one.errors) ? one.errors : [];
  return [one, ...[one.cause, ...parts].flatMap((inner) => chainOf(inner, depth + 1))];
}
