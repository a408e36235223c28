import type { Http } from './client.ts';
import { sameOrigin } from './origin.ts';

/** A client that adds headers to what goes to this origin: decided at each hop. */
export function withHeaders(
  http: Http,
  origin: URL,
  headers: Readonly<Record<string, string>>,
): Http {
  if (Object.keys(headers).length === 0) return http;
  return {
    ...http,
    send: (request) =>
      http.send(
        sameOrigin(request.url, origin)
          ? { ...request, headers: { ...headers, ...request.headers } }
          : request,
      ),
  };
}
