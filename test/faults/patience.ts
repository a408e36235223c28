import { answer, refuse } from './faults.ts';
import { BLOB_HEAD, BODY, MANIFEST, OPEN, type Row } from './row.ts';

const HTML = { 'content-type': 'text/html', server: 'nginx' };
const ERROR_PAGE = '<html><body><h1>Bad Gateway</h1></body></html>';

const busy = (status: number, headers?: Record<string, string>) =>
  refuse(status, 'UNAVAILABLE', 'try again', headers === undefined ? {} : { headers });

/** A status that a step gives so often, and then works. */
function passing(title: string, where: object, status: number, times: number): Row {
  return { title, rules: () => [{ ...where, times, fault: busy(status) }], ends: 'ok' };
}

/** A registry that asks to wait, or fails for a while. */
export const PATIENCE: readonly Row[] = [
  passing('opening: 503, 2×', OPEN, 503, 2),
  passing('opening: 429, once', OPEN, 429, 1),
  passing('opening: 429, 6×', OPEN, 429, 6),
  {
    title: 'opening: 429 with Retry-After: 1, 2×',
    rules: () => [{ ...OPEN, times: 2, fault: busy(429, { 'retry-after': '1' }) }],
    ends: 'ok',
    atLeastMs: 1000,
  },
  {
    title: 'opening: 503 with Retry-After as a date',
    rules: () => [
      {
        ...OPEN,
        times: 1,
        fault: refuse(503, 'UNAVAILABLE', 'try again', {
          headers: () => ({ 'retry-after': new Date(Date.now() + 2500).toUTCString() }),
        }),
      },
    ],
    ends: 'ok',
    atLeastMs: 1400,
  },
  {
    title: 'body: 429 with Retry-After: 1',
    rules: () => [{ ...BODY, times: 1, fault: busy(429, { 'retry-after': '1' }) }],
    ends: 'ok',
    atLeastMs: 1000,
  },
  ...[500, 502, 503, 504].map((status) => passing(`body: ${status}, 2×`, BODY, status, 2)),
  passing('body: 503, 3×', BODY, 503, 3),
  passing('body: 408, once', BODY, 408, 1),
  passing('looking for a blob: 503, 2×', BLOB_HEAD, 503, 2),
  passing('manifest: 500, once', MANIFEST, 500, 1),
  passing('manifest: 503, 2×', MANIFEST, 503, 2),
  passing('manifest: 429, once', MANIFEST, 429, 1),
  {
    title: 'a gateway’s page with 502, 2×',
    rules: () => [{ ...BODY, times: 2, fault: answer(502, { headers: HTML, body: ERROR_PAGE }) }],
    ends: 'ok',
  },
];
