import { printable } from '../bytes/printable.ts';
import { type ErrorCode, isSlipwayError, SlipwayError } from '../errors.ts';
import { deepestCode } from '../http/connection-error.ts';
import { isJsonObject } from '../oci/json.ts';

const HOW_TO_GET_ONE =
  'start Docker (systemctl start docker) or Podman (systemctl start podman.socket), or say with DOCKER_HOST where an engine is';

/** The error where there is no engine at all. */
export function noEngine(tried: readonly string[]): SlipwayError {
  return new SlipwayError('NO_ENGINE', `no engine is running here (tried ${tried.join(', ')})`, {
    hint: HOW_TO_GET_ONE,
  });
}

/** What a failed first contact with an engine means. */
export function contactError(error: unknown, address: string): unknown {
  const code = deepestCode(error);
  if (isSlipwayError(error, 'NO_ENGINE')) return error;
  const because = (message: string, hint: string) =>
    new SlipwayError('NO_ENGINE', message, { hint, cause: error });
  if (isForbidden(error)) {
    return because(
      `no permission to use the engine at ${address}`,
      'run as a user of the docker group (who is as good as root), or use an engine of your own: rootless Docker or Podman',
    );
  }
  if (isSlipwayError(error, 'TLS')) {
    return new SlipwayError('TLS', error.message, {
      hint: 'DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH name the certificates for an engine',
      cause: error,
    });
  }
  if (isSlipwayError(error, 'NETWORK', 'NOT_A_REGISTRY')) {
    const why = code === undefined ? '' : ` (${code})`;
    return because(`no engine answers at ${address}${why}`, HOW_TO_GET_ONE);
  }
  return error;
}

/** True if an engine is there, and we may not speak to it. */
export function isForbidden(error: unknown): boolean {
  const code = deepestCode(error);
  return code === 'EACCES' || code === 'EPERM';
}

/** What a connection that broke in the middle of the work means. */
export function brokenError(error: unknown, name: string): unknown {
  if (!isSlipwayError(error, 'NETWORK')) return error;
  return new SlipwayError('NETWORK', `the connection to ${name} broke`, {
    hint: 'the engine may have ended or been restarted; look at its log, then run the same again',
    cause: error,
  });
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'UNSUPPORTED',
  401: 'AUTH_REQUIRED',
  403: 'DENIED',
  404: 'NOT_FOUND',
  405: 'UNSUPPORTED',
  406: 'UNSUPPORTED',
  409: 'UNSUPPORTED',
  501: 'UNSUPPORTED',
};

/** What an engine's refusal means; `what` is what was wanted of it, as `load an image`. */
export function refusal(
  said: string,
  {
    name,
    what,
    status,
  }: { readonly name: string; readonly what: string; readonly status?: number },
): SlipwayError {
  const text = printable(said, 500);
  const message = `${name} couldn't ${what}${text === '' ? '' : `: ${text}`}`;
  const facts = status === undefined ? {} : { status };
  if (/no space left on device/i.test(said)) {
    return new SlipwayError('NO_SPACE', message, {
      ...facts,
      hint: 'free some space where the engine keeps its data: docker system df shows what takes it',
    });
  }
  const code = status === undefined ? 'UNSUPPORTED' : (CODES[status] ?? 'SERVER_ERROR');
  return new SlipwayError(code, message, facts);
}

/** The words of an error body: `{"message": …}`, or whatever came. */
export function messageOf(body: Buffer): string {
  const text = body.toString();
  try {
    const json: unknown = JSON.parse(text);
    if (isJsonObject(json)) return String(json.message ?? json.cause ?? '');
  } catch {
    // Not every proxy before an engine speaks JSON.
  }
  return text;
}
