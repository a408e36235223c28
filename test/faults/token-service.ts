import { randomUUID } from 'node:crypto';
import type { Exchange } from './proxy.ts';

export interface TokenOptions {
  /** seconds that a token lives, here and as the service says */
  readonly lifeSeconds?: number;
  /** requests that a token is good for */
  readonly uses?: number;
  /** only the first scope that was asked for is granted */
  readonly firstScopeOnly?: boolean;
  /** a token that lacks a scope gets 403 and `insufficient_scope` instead of 401 */
  readonly insufficientScope?: boolean;
  /** the service's clock is so many seconds off */
  readonly clockSkewSeconds?: number;
  /** what the service says of the token's life; `lifeSeconds` if left out */
  readonly saysSeconds?: number | null;
  /** what happens to the first so many requests for a token */
  readonly fails?: { readonly times: number; readonly how: 'cut' | 'half' | '503' };
  /** the service's answer never ends */
  readonly isEndless?: boolean;
}

interface Token {
  readonly scopes: ReadonlySet<string>;
  readonly endsAt: number;
  usesLeft: number;
}

/** A token service that the proxy runs under `/token`, and the check of every other request. */
export interface TokenService {
  /** True if the request was answered: it asked for a token, or had none that is good. */
  handle(exchange: Omit<Exchange, 'vanish'>): Promise<boolean>;
  /** Refuses a request and says where tokens are. */
  challenge(exchange: Omit<Exchange, 'vanish'>): void;
  revokeAll(): void;
  /** tokens that were given */
  given(): number;
}

/** Makes the token service of one proxy. */
export function createTokenService(options: TokenOptions = {}): TokenService {
  const tokens = new Map<string, Token>();
  let given = 0;
  let failuresLeft = options.fails?.times ?? 0;

  const issue = async (exchange: Omit<Exchange, 'vanish'>): Promise<void> => {
    const { request, response, host } = exchange;
    await exchange.drain();
    const scopes = new URL(request.url ?? '', `http://${host}`).searchParams
      .getAll('scope')
      .flatMap((text) => text.split(' '));
    const granted = options.firstScopeOnly === true ? scopes.slice(0, 1) : scopes;
    const value = randomUUID();
    const life = options.lifeSeconds ?? 300;
    tokens.set(value, {
      scopes: new Set(granted.flatMap(rights)),
      endsAt: performance.now() + life * 1000,
      usesLeft: options.uses ?? 1e9,
    });
    given++;
    const skewMs = (options.clockSkewSeconds ?? 0) * 1000;
    const says = options.saysSeconds === undefined ? life : options.saysSeconds;
    const body = JSON.stringify({
      token: value,
      ...(says === null ? {} : { expires_in: says }),
      issued_at: new Date(Date.now() + skewMs).toISOString(),
    });
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    if (failuresLeft > 0) {
      failuresLeft--;
      tokens.delete(value);
      if (options.fails?.how === 'half') response.write(body.slice(0, body.length >> 1));
      setTimeout(() => exchange.reset(), 20).unref();
      return;
    }
    response.end(body);
  };

  const challenge = ({ request, response, host }: Omit<Exchange, 'vanish'>): void => {
    const needed = neededBy(request.method ?? '', request.url ?? '');
    const scope = needed === undefined ? '' : `,scope="${needed.scope}"`;
    const token = tokens.get(bearer(request.headers.authorization));
    const isInsufficient = options.insufficientScope === true && token !== undefined;
    const error = isInsufficient ? ',error="insufficient_scope"' : '';
    response.writeHead(isInsufficient ? 403 : 401, {
      'content-type': 'application/json',
      'www-authenticate': `Bearer realm="http://${host}/token",service="faults"${scope}${error}`,
    });
    response.end(
      request.method === 'HEAD'
        ? undefined
        : JSON.stringify({
            errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }],
          }),
    );
  };

  return {
    async handle(exchange) {
      const { method = '', url = '', headers } = exchange.request;
      if (url.startsWith('/token')) {
        if (options.isEndless === true) {
          exchange.response.writeHead(200, { 'content-type': 'application/json' });
          const timer = setInterval(() => exchange.response.write(' '.repeat(256 * 1024)), 5);
          exchange.response.on('close', () => clearInterval(timer));
        } else if (options.fails?.how === '503' && failuresLeft > 0) {
          failuresLeft--;
          exchange.response.writeHead(503).end();
        } else {
          await issue(exchange);
        }
        return true;
      }
      const token = tokens.get(bearer(headers.authorization));
      const needed = neededBy(method, url)?.rights ?? [];
      const isGood =
        token !== undefined &&
        token.usesLeft > 0 &&
        performance.now() < token.endsAt &&
        needed.every((right) => token.scopes.has(right));
      if (isGood) {
        token.usesLeft--;
        return false;
      }
      await exchange.drain();
      challenge(exchange);
      return true;
    },
    challenge,
    revokeAll: () => tokens.clear(),
    given: () => given,
  };
}

function bearer(header = ''): string {
  return /^Bearer (.+)$/i.exec(header)?.[1] ?? '';
}

function rights(scope: string): string[] {
  const at = scope.lastIndexOf(':');
  return scope
    .slice(at + 1)
    .split(',')
    .map((action) => `${scope.slice(0, at)}:${action}`);
}

/** What a request needs: reads need to pull; writes need to push, and a mount to pull its source. */
function neededBy(
  method: string,
  url: string,
): { readonly scope: string; readonly rights: readonly string[] } | undefined {
  const name = /^\/v2\/(.+)\/(?:blobs|manifests|tags)\//.exec(url)?.[1];
  if (name === undefined) return undefined;
  const isRead = method === 'GET' || method === 'HEAD';
  const resource = `repository:${name}`;
  if (isRead) return { scope: `${resource}:pull`, rights: [`${resource}:pull`] };
  return {
    scope: `${resource}:pull,push`,
    rights: [`${resource}:pull`, `${resource}:push`],
  };
}
