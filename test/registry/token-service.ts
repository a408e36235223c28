import { type Call, errors, type Quirk } from './fake-registry.ts';

/** A request for a token, as the service saw it. */
export interface TokenRequest {
  readonly method: string;
  readonly query: URLSearchParams;
  /** of a POST */
  readonly form: URLSearchParams;
  readonly authorization: string | undefined;
}

export interface TokenServiceOptions {
  /** URL of the service; `/token` of the registry itself if left out */
  readonly realm?: string;
  /** value of `expires_in`, left out if undefined */
  readonly expiresInSeconds?: number;
  /** how long a token is really good for */
  readonly lifeMs?: number;
  /** in how many requests a token is really good */
  readonly uses?: number;
  /** tokens are for whoever knows this password; for everybody if left out */
  readonly password?: string;
  /** scopes that are never granted */
  readonly refuses?: (scope: string) => boolean;
  readonly field?: 'token' | 'access_token';
  /** Answers a request for a token instead of the service; `true` means that it has. */
  readonly quirk?: (call: Call, request: TokenRequest) => boolean | Promise<boolean>;
  /** the header of a 401, instead of a Bearer challenge */
  readonly challenge?: string;
}

export interface TokenService {
  readonly asked: readonly TokenRequest[];
  readonly quirk: Quirk;
  /** No token that was given is good any more. */
  revokeAll(): void;
}

/** A token service, and the guard that makes a registry want its tokens. */
export function tokenService(
  options: TokenServiceOptions = {},
  inner: Quirk = () => false,
): TokenService {
  const asked: TokenRequest[] = [];
  const issued = new Map<string, { scopes: string[]; until: number; uses: number }>();

  const issue = async (call: Call): Promise<void> => {
    const form = new URLSearchParams((await call.body()).toString());
    const { authorization } = call.request.headers;
    const request = { method: call.method, query: call.url.searchParams, form, authorization };
    asked.push(request);
    if ((await options.quirk?.(call, request)) === true) return;
    const { password } = options;
    const basic = `Basic ${Buffer.from(`user:${password}`).toString('base64')}`;
    const isKnown = authorization === basic || form.get('refresh_token') === password;
    if (password !== undefined && !isKnown)
      return call.answer(401, {}, errors('UNAUTHORIZED', 'who are you'));
    const wanted = [
      ...call.url.searchParams.getAll('scope'),
      ...(form.get('scope')?.split(' ') ?? []),
    ];
    if (wanted.some((scope) => options.refuses?.(scope)))
      return call.answer(400, {}, errors('DENIED'));
    const token = `token-${issued.size + 1}`;
    const until = performance.now() + (options.lifeMs ?? 60_000);
    issued.set(token, { scopes: wanted, until, uses: options.uses ?? Number.POSITIVE_INFINITY });
    const { expiresInSeconds } = options;
    call.answer(
      200,
      {},
      {
        [options.field ?? 'token']: token,
        ...(expiresInSeconds === undefined ? {} : { expires_in: expiresInSeconds }),
      },
    );
  };

  const quirk: Quirk = async (call) => {
    if (call.url.pathname === '/token') {
      await issue(call);
      return true;
    }
    const sent = /^Bearer (.+)$/.exec(call.request.headers.authorization ?? '')?.[1];
    const token = issued.get(sent ?? '');
    const wanted = scopesFor(call);
    const isGood = token !== undefined && performance.now() < token.until && token.uses-- > 0;
    const missing = wanted.filter((scope) => !token?.scopes.some((has) => includes(has, scope)));
    if (isGood && missing.length === 0) return await inner(call);
    const realm = options.realm ?? `http://${call.url.host}/token`;
    const error = isGood ? ',error="insufficient_scope"' : '';
    const challenge =
      options.challenge ??
      `Bearer realm="${realm}",service="test",scope="${wanted.join(' ')}"${error}`;
    await call.body();
    call.answer(401, { 'www-authenticate': challenge }, errors('UNAUTHORIZED', 'a token, please'));
    return true;
  };
  return {
    asked,
    quirk,
    revokeAll: () =>
      issued.forEach((token) => {
        token.uses = 0;
      }),
  };
}

function scopesFor({ method, url }: Call): string[] {
  const path = /^\/v2\/(.+?)\/(?:manifests|blobs|tags)\//.exec(url.pathname)?.[1] ?? '';
  const actions = method === 'GET' || method === 'HEAD' ? 'pull' : 'pull,push';
  const from = url.searchParams.get('from');
  return [`repository:${path}:${actions}`, ...(from === null ? [] : [`repository:${from}:pull`])];
}

function includes(has: string, wanted: string): boolean {
  const [type, name, actions = ''] = wanted.split(':');
  const [hasType, hasName, hasActions = ''] = has.split(':');
  const granted = hasActions.split(',');
  return (
    type === hasType &&
    name === hasName &&
    actions.split(',').every((action) => granted.includes(action))
  );
}
