import { keepSecret } from '../../bytes/secrets.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import type { HttpRequest } from '../../http/client.ts';
import { parseJsonObject } from '../../oci/json.ts';
import type { ExchangeTools } from './login.ts';

const MAX_ANSWER_BYTES = 256 * 1024;

/** A request that is answered with a token. */
export interface TokenQuestion {
  readonly request: Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>;
  /** of the answer, holds the token */
  readonly field: string;
  /** what a refusal means, and what to do then */
  readonly refused: string;
  readonly hint: string;
}

/**
 * Asks for a token. Redirects aren't followed, and nothing of an answer is quoted.
 *
 * @throws SlipwayError `AUTH_REQUIRED`, `RATE_LIMITED`, `SERVER_ERROR`, `NETWORK`, `TLS`,
 * `LIMIT_EXCEEDED`
 */
export async function askForToken(
  { request, field, refused, hint }: TokenQuestion,
  { http, signal }: ExchangeTools,
): Promise<string> {
  const response = await http.send({ ...request, signal });
  const { status } = response;
  if (status !== 200) {
    await response.drop();
    const facts = { host: request.url.host, status };
    const message = `${refused}: it answered ${status}`;
    if (status === 429)
      throw new SlipwayError('RATE_LIMITED', message, { ...facts, transient: true });
    if (status >= 500)
      throw new SlipwayError('SERVER_ERROR', message, { ...facts, transient: true });
    throw new SlipwayError('AUTH_REQUIRED', message, { ...facts, hint });
  }
  const token = tokenIn(await response.read(MAX_ANSWER_BYTES), field);
  if (token === undefined) {
    throw new SlipwayError('AUTH_REQUIRED', `${refused}: its answer holds no token`, {
      host: request.url.host,
      hint,
    });
  }
  keepSecret(token);
  return token;
}

function tokenIn(answer: Uint8Array, field: string): string | undefined {
  try {
    const value = parseJsonObject(answer, 'the answer', MAX_ANSWER_BYTES)[field];
    // What may stand in a header and nothing else.
    return typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : undefined;
  } catch (error) {
    if (isSlipwayError(error, 'CONTENT_INVALID', 'LIMIT_EXCEEDED')) return undefined;
    throw error;
  }
}
