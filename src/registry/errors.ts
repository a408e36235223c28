import { printable } from '../bytes/printable.ts';
import { HIDDEN } from '../bytes/secrets.ts';
import {
  type ErrorCode,
  type ErrorFacts,
  isSlipwayError,
  type RegistryErrorDetail,
  SlipwayError,
} from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { clientCertificateWanted } from '../http/connection-error.ts';
import { retryAfterMs } from '../http/retry-after.ts';
import { isSecretField, showText } from '../http/shown.ts';
import { isJsonObject } from '../oci/json.ts';

const MAX_ERROR_BYTES = 64 * 1024;
const MAX_ERRORS = 20;
/** What a registry says is worth so long a wait. */
const ERROR_TIMEOUT_MS = 3_000;

/**
 * Turns an answer that isn't the wanted one into an error: the registry's own codes and words,
 * what they mean, and who can mend it (distribution-spec, "Error Codes").
 */
export async function registryError(
  response: HttpResponse,
  facts: ErrorFacts & {
    readonly host: string;
    readonly doing?: string;
    /** credentials were taken: what a 401 then refuses is the right to do this */
    readonly isLoggedIn?: boolean;
  },
): Promise<SlipwayError> {
  const { doing, isLoggedIn = false, ...where } = facts;
  const status = isLoggedIn && response.status === 401 ? 403 : response.status;
  const type = response.header('content-type') ?? '';
  const text = await readText(response);
  if (text === undefined) {
    return new SlipwayError(
      'LIMIT_EXCEEDED',
      `${where.host} answered ${response.status} with more text than any honest error has`,
      { ...where, status: response.status },
    );
  }
  // nginx lets the handshake pass and then answers a page; so does whatever is built on it.
  if (status === 400 && /No required SSL certificate was sent/.test(text)) {
    return clientCertificateWanted(where.host, 'wants a client certificate');
  }
  if (status === 400 && /The SSL certificate error/.test(text)) {
    return clientCertificateWanted(where.host, 'does not accept the client certificate');
  }
  const details = detailsOf(text);
  const codes = details.map(({ code }) => code);
  const words = details.map(describeDetail).join('; ');
  const waitMs = retryAfterMs(response.header('retry-after'));
  const what = doing === undefined ? '' : ` when asked to ${doing}`;
  const isWebPage = details.length === 0 && /^text\/html\b/i.test(type);
  const { code, meaning, hint } = classify(status, codes, words, isWebPage, where.host);
  const server = printable(showText(response.header('server') ?? ''), 60);
  const said =
    words !== '' ? `: ${words}` : isWebPage ? ` with a web page${server && ` from ${server}`}` : '';
  return new SlipwayError(
    code,
    `${meaning}: ${where.host} answered ${response.status}${what}${said}`,
    {
      ...where,
      status: response.status,
      ...(details.length === 0 ? {} : { registryErrors: details }),
      ...(hint === undefined ? {} : { hint }),
      ...(isTransientStatus(status) ? { transient: true } : {}),
      ...(waitMs === undefined ? {} : { retryAfterMs: waitMs }),
    },
  );
}

/** True for statuses that may be gone when the same step is repeated. */
export function isTransientStatus(status: number): boolean {
  if (status === 408 || status === 425 || status === 429) return true;
  return status >= 500 && status !== 501 && status !== 505 && status !== 507;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly meaning: string;
  readonly hint?: string;
}

function classify(
  status: number,
  codes: readonly string[],
  words: string,
  isWebPage: boolean,
  host: string,
): Meaning {
  const has = (...names: readonly string[]) => names.some((name) => codes.includes(name));
  if (/\bimmutab/i.test(words)) {
    return {
      code: 'TAG_IMMUTABLE',
      meaning: 'the tag is immutable',
      hint: 'publish under a new tag, or let the owner of the repository allow tags to move',
    };
  }
  if (/quota|storage limit/i.test(words) && status !== 429) {
    return {
      code: 'QUOTA_EXCEEDED',
      meaning: 'a quota of the registry is used up',
      hint: 'remove images there, or ask its owner for more space',
    };
  }
  switch (status) {
    case 401:
      return {
        code: 'AUTH_REQUIRED',
        meaning: 'not logged in, or the credentials were refused',
        hint: `log in with: slipway login ${host}`,
      };
    case 403:
      return {
        code: 'DENIED',
        meaning: 'not allowed',
        hint: 'ask the owner of the repository for the right to do this, or log in as somebody else',
      };
    case 405:
    case 501:
      if (isWebPage) break;
      return { code: 'UNSUPPORTED', meaning: 'the registry does not do this' };
    case 409:
      return { code: 'TAG_IMMUTABLE', meaning: 'the registry holds something else here' };
    case 412:
      return { code: 'CONDITION_FAILED', meaning: 'a condition does not hold' };
    case 413:
      return {
        code: 'UNSUPPORTED',
        meaning: 'too large for the registry or a proxy before it',
        hint: 'its owner can raise the limit of a request body',
      };
    case 415:
      return { code: 'UNSUPPORTED', meaning: 'the registry does not accept this kind of content' };
    case 429:
      return { code: 'RATE_LIMITED', meaning: 'too many requests' };
    case 507:
      return { code: 'NO_SPACE', meaning: 'the registry has no space left' };
  }
  if (isTransientStatus(status)) {
    return { code: 'SERVER_ERROR', meaning: 'the registry failed' };
  }
  if (has('UNAUTHORIZED')) return { code: 'AUTH_REQUIRED', meaning: 'not logged in' };
  if (has('DENIED')) return { code: 'DENIED', meaning: 'not allowed' };
  if (has('TOOMANYREQUESTS')) return { code: 'RATE_LIMITED', meaning: 'too many requests' };
  if (isWebPage || (status >= 200 && status < 400)) {
    return {
      code: 'NOT_A_REGISTRY',
      meaning: 'this does not look like a registry',
      hint: 'check host and port; a registry answers under /v2/',
    };
  }
  if (has('NAME_UNKNOWN')) {
    return {
      code: 'NOT_FOUND',
      meaning: 'no such repository',
      hint: 'some registries want a repository or project to be made before the first push',
    };
  }
  if (has('MANIFEST_BLOB_UNKNOWN') || (has('BLOB_UNKNOWN') && status !== 404)) {
    return { code: 'CONTENT_MISSING', meaning: 'the registry misses content of the image' };
  }
  if (has('DIGEST_INVALID', 'SIZE_INVALID')) {
    return { code: 'DIGEST_MISMATCH', meaning: 'the registry received other bytes' };
  }
  if (has('NAME_INVALID', 'TAG_INVALID')) {
    return { code: 'REFERENCE_INVALID', meaning: 'the registry does not accept this name' };
  }
  if (has('MANIFEST_INVALID', 'UNSUPPORTED')) {
    return { code: 'UNSUPPORTED', meaning: 'the registry does not accept this' };
  }
  if (status === 404) return { code: 'NOT_FOUND', meaning: 'not found' };
  return { code: 'NOT_A_REGISTRY', meaning: 'an answer that no registry should give' };
}

/** Undefined for a text that goes over the cap: that is final, whatever the status. */
async function readText(response: HttpResponse): Promise<string | undefined> {
  try {
    return (await response.read(MAX_ERROR_BYTES, ERROR_TIMEOUT_MS)).toString('utf8');
  } catch (error) {
    await response.drop();
    return isSlipwayError(error, 'LIMIT_EXCEEDED') ? undefined : '';
  }
}

function detailsOf(text: string): RegistryErrorDetail[] {
  let json: unknown;
  try {
    json = JSON.parse(text, (key, value) =>
      isSecretField(key) ? HIDDEN : typeof value === 'string' ? printable(showText(value)) : value,
    );
  } catch {
    return [];
  }
  if (!isJsonObject(json)) return [];
  const list = Array.isArray(json.errors) ? json.errors : [json];
  return list.filter(isJsonObject).slice(0, MAX_ERRORS).flatMap(toDetail);
}

function toDetail(json: { readonly [key: string]: unknown }): RegistryErrorDetail[] {
  const text = (value: unknown) => (typeof value === 'string' ? value : '');
  const code = text(json.code);
  const message = text(json.message) || text(json.error) || text(json.details);
  if (code === '' && message === '') return [];
  return [
    {
      code: code === '' ? 'UNKNOWN' : code,
      ...(message === '' ? {} : { message }),
      ...(json.detail === undefined || json.detail === null ? {} : { detail: json.detail }),
    },
  ];
}

function describeDetail({ code, message, detail }: RegistryErrorDetail): string {
  const extra = typeof detail === 'string' && detail !== '' ? ` (${detail})` : '';
  return message === undefined ? `${code}${extra}` : `${code}: ${message}${extra}`;
}
