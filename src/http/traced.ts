import { printable } from '../bytes/printable.ts';
import type { Emit, RequestLogin } from '../events.ts';
import type { Http, HttpRequest } from './client.ts';
import { showHeaders, showText, showUrl } from './shown.ts';

/**
 * A client that also tells what it sends and what is answered: never a body, never a secret.
 *
 * @param nextId numbers requests, of all clients of a run
 */
export function traced(http: Http, emit: Emit, nextId: () => number): Http {
  return {
    ...http,
    async send(request) {
      const { method } = request;
      const same = { id: nextId(), method, url: showUrl(request.url) };
      const startedAt = performance.now();
      const durationMs = () => Math.round(performance.now() - startedAt);
      emit({
        type: 'http.request',
        ...same,
        login: loginOf(request),
        headers: showHeaders((name) => valuesOf(request, name), request.url),
      });
      try {
        const response = await http.send(request);
        const { status } = response;
        const headers = showHeaders(response.headers, response.url);
        emit({ type: 'http.response', ...same, status, durationMs: durationMs(), headers });
        return response;
      } catch (error) {
        const reason = printable(showText(error instanceof Error ? error.message : 'no answer'));
        emit({ type: 'http.failure', ...same, durationMs: durationMs(), reason });
        throw error;
      }
    },
  };
}

function valuesOf({ headers = {} }: HttpRequest, name: string): readonly string[] {
  return Object.entries(headers).flatMap(([key, value]) =>
    key.toLowerCase() === name ? [value] : [],
  );
}

function loginOf(request: HttpRequest): RequestLogin {
  const [value] = valuesOf(request, 'authorization');
  if (value === undefined) return 'none';
  const [scheme = ''] = value.toLowerCase().split(' ', 1);
  return scheme === 'basic' || scheme === 'bearer' ? scheme : 'other';
}
