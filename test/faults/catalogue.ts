import {
  answer,
  gone,
  keepAnswer,
  large,
  limitBody,
  loseAnswer,
  refuse,
  reset,
  rewrite,
  slowly,
  stall,
  tokenRunsOut,
  truncate,
} from './faults.ts';
import { ENDINGS_FOR_GOOD } from './refusals.ts';
import {
  ANY_HEAD,
  BLOB_HEAD,
  BODY,
  COMMIT,
  MANIFEST,
  MOUNT,
  OPEN,
  PATCH,
  PING,
  type Row,
} from './row.ts';

const MIB = 1024 * 1024;
const HTML = { 'content-type': 'text/html', server: 'nginx' };
const ERROR_PAGE = '<html><body><h1>Bad Gateway</h1></body></html>';
const busy = (status: number, headers?: Record<string, string>) =>
  refuse(status, 'UNAVAILABLE', 'try again', headers === undefined ? {} : { headers });

/** A status that a step gives so often, and then works. */
function passing(title: string, where: object, status: number, times: number): Row {
  return { title, rules: () => [{ ...where, times, fault: busy(status) }], ends: 'ok' };
}

const CONNECTIONS: readonly Row[] = [
  { title: 'no fault', rules: () => [], ends: 'ok', sentAtMost: 1.01, mayNotStrike: true },
  ...[1, 3, 6].map(
    (times): Row => ({
      title: `connection reset in mid-blob, ${times}×`,
      rules: () => [{ ...BODY, times, fault: large(reset(5 * MIB)) }],
      ends: 'ok',
    }),
  ),
  ...[1, 50, 99].map(
    (percent): Row => ({
      title: `connection reset at ${percent} % of a blob, once`,
      rules: () => [
        { ...BODY, times: 1, fault: large(reset(Math.round((20 * MIB * percent) / 100))) },
      ],
      ends: 'ok',
    }),
  ),
  {
    title: 'connection reset before any byte of a body is read, 2×',
    rules: () => [{ ...BODY, times: 2, fault: large(reset(0)) }],
    ends: 'ok',
  },
  {
    title: '503 before the body was read, then a reset',
    rules: () => [{ ...BODY, times: 1, fault: large(answer(503, { early: true })) }],
    ends: 'ok',
  },
  {
    title: 'the opening request gets no answer, once',
    rules: () => [{ ...OPEN, times: 1, fault: stall('all') }],
    ends: 'ok',
  },
  {
    title: 'nobody reads a body, once',
    rules: () => [{ ...BODY, times: 1, fault: large(stall('nothing')) }],
    ends: 'ok',
  },
  {
    title: 'the commit of a blob gets no answer, once',
    rules: () => [{ ...COMMIT, times: 1, fault: keepAnswer() }],
    ends: 'ok',
  },
  {
    title: 'the manifest gets no answer, once',
    rules: () => [{ ...MANIFEST, times: 1, fault: keepAnswer() }],
    ends: 'ok',
  },
  {
    title: 'a body is read to its end and never answered nor kept, once',
    rules: () => [{ ...BODY, times: 1, fault: large(stall('all')) }],
    ends: 'ok',
  },
  {
    title: 'idle connections are closed without a word',
    rules: () => [],
    closesIdleAfterMs: 1,
    ends: 'ok',
    mayNotStrike: true,
  },
  {
    title: 'registry gone for 1.5 s in mid-blob',
    rules: () => [{ ...BODY, times: 1, fault: large(gone(1500, 5 * MIB)) }],
    ends: 'ok',
  },
  {
    title: 'a name whose first address refuses',
    rules: () => [],
    hostname: 'localhost',
    ends: 'ok',
    mayNotStrike: true,
  },
  {
    title: 'answers come a second after the body',
    rules: () => [{ ...COMMIT, fault: slowly(1000) }],
    ends: 'ok',
    sentAtMost: 1.01,
  },
];

const PATIENCE: readonly Row[] = [
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

const TOKENS: readonly Row[] = [
  { title: 'token good for 3 requests', tokens: { uses: 3 }, rules: () => [], ends: 'ok' },
  {
    title: 'token good for a second, and everything is slow',
    tokens: { lifeSeconds: 1 },
    rules: () => [{ ...OPEN, fault: slowly(400) }],
    ends: 'ok',
  },
  {
    title: 'token runs out without its life being told',
    tokens: { lifeSeconds: 1, saysSeconds: null },
    rules: () => [{ ...OPEN, fault: slowly(400) }],
    ends: 'ok',
  },
  {
    title: 'token runs out at the start of a blob',
    tokens: {},
    rules: () => [{ ...BODY, times: 1, fault: large(tokenRunsOut('before the body')) }],
    ends: 'ok',
  },
  {
    title: 'token runs out while a blob is sent: 401 after its last byte',
    tokens: {},
    rules: () => [{ ...BODY, times: 1, fault: large(tokenRunsOut('after the body')) }],
    ends: 'ok',
  },
  {
    title: 'token runs out before the manifest',
    tokens: {},
    rules: () => [{ ...MANIFEST, times: 1, fault: tokenRunsOut('after the body') }],
    ends: 'ok',
  },
  {
    title: 'token service grants the first scope only',
    tokens: { firstScopeOnly: true },
    rules: () => [],
    isMounted: true,
    ends: 'ok',
  },
  {
    title: 'a token for too little: 403 with insufficient_scope',
    tokens: { insufficientScope: true },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service’s clock is a year behind',
    tokens: { clockSkewSeconds: -365 * 86_400 },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service cuts the connection, 2×',
    tokens: { fails: { times: 2, how: 'cut' } },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service sends half an answer, once',
    tokens: { fails: { times: 1, how: 'half' } },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service: 503, 2×',
    tokens: { fails: { times: 2, how: '503' } },
    rules: () => [],
    ends: 'ok',
  },
].map((row) => ({ mayNotStrike: true, ...row }) as Row);

const SESSIONS: readonly Row[] = [
  {
    title: 'upload session lost: 404, once',
    rules: () => [
      { ...BODY, times: 1, fault: refuse(404, 'BLOB_UPLOAD_UNKNOWN', 'unknown upload') },
    ],
    ends: 'ok',
  },
  {
    title: 'commit refused: 400 BLOB_UPLOAD_INVALID, once',
    rules: () => [
      { ...COMMIT, times: 1, fault: refuse(400, 'BLOB_UPLOAD_INVALID', 'invalid upload') },
    ],
    ends: 'ok',
  },
  {
    title: 'blob committed, answer lost',
    rules: () => [{ ...COMMIT, times: 1, fault: large(loseAnswer(), 1) }],
    ends: 'ok',
  },
  {
    title: 'manifest taken, answer lost',
    rules: () => [{ ...MANIFEST, times: 1, fault: loseAnswer() }],
    ends: 'ok',
  },
  {
    title: 'manifest’s answer cut in its middle',
    rules: () => [{ ...MANIFEST, times: 1, fault: truncate() }],
    ends: 'ok',
  },
  {
    title: 'a manifest that is read is cut in its middle, once',
    rules: () => [{ method: /^GET$/, path: /\/manifests\//, times: 1, fault: truncate() }],
    isMounted: true,
    ends: 'ok',
  },
  {
    title: 'opening answers no Location',
    rules: () => [{ ...OPEN, fault: rewrite({ headers: { location: null } }) }],
    ends: 'ok',
    // docker-registry signs a session's state and takes it from nowhere but its Location.
    only: 'embedded',
  },
  {
    title: 'PATCH answers no Location and no Range',
    rules: () => [{ ...PATCH, fault: rewrite({ headers: { location: null, range: null } }) }],
    ends: 'ok',
    mayNotStrike: true,
  },
  ...Object.entries<(url: URL) => string>({
    'with a path only': (url) => url.pathname + url.search,
    'relative to the request': (url) => url.pathname.replace(/^.*\//, '') + url.search,
    'without a scheme': (url) => `//${url.host}${url.pathname}${url.search}`,
    'without a scheme and slashes': (url) => `${url.host}${url.pathname}${url.search}`,
    'under another name of the host': (url) => {
      url.hostname = 'localhost';
      return url.href;
    },
  }).map(
    ([how, change]): Row => ({
      title: `Location ${how}`,
      rules: () => [
        {
          ...OPEN,
          fault: rewrite({
            headers: { location: (old, { host }) => change(new URL(old, `http://${host}`)) },
          }),
        },
      ],
      ends: 'ok',
    }),
  ),
  {
    title: 'Location with a query that has to come back byte for byte',
    rules: () => [
      {
        ...BODY,
        fault: async ({ request, drain, response }) => {
          if (request.url?.includes('odd=a%2Fb%3D%3D&x=~')) return false;
          await drain();
          response.writeHead(400).end();
          return undefined;
        },
      },
      {
        ...OPEN,
        fault: rewrite({
          headers: {
            location: (old) => `${old}${old.includes('?') ? '&' : '?'}odd=a%2Fb%3D%3D&x=~`,
          },
        }),
      },
    ],
    ends: 'ok',
  },
];

const ODD_ANSWERS: readonly Row[] = [
  ...[403, 405, 501].map(
    (status): Row => ({
      title: `HEAD → ${status}`,
      rules: () => [{ ...ANY_HEAD, fault: answer(status) }],
      ends: 'ok',
    }),
  ),
  {
    title: 'HEAD without length and digest',
    rules: () => [
      {
        ...ANY_HEAD,
        fault: rewrite({ headers: { 'content-length': null, 'docker-content-digest': null } }),
      },
    ],
    ends: 'ok',
  },
  {
    title: 'HEAD says 200 for blobs that are not there',
    rules: () => [{ ...BLOB_HEAD, fault: answer(200) }],
    ends: 'ok',
  },
  {
    title: 'mount answers 201 and mounts nothing',
    rules: () => [{ ...MOUNT, fault: answer(201) }],
    isMounted: true,
    ends: 'ok',
  },
  ...[400, 401, 403, 404, 405, 500].map(
    (status): Row => ({
      title: `mount → ${status}`,
      rules: () => [{ ...MOUNT, fault: refuse(status, 'UNSUPPORTED', 'no mounts here') }],
      isMounted: true,
      ends: 'ok',
    }),
  ),
  {
    title: 'another digest named for a blob',
    rules: () => [
      {
        ...COMMIT,
        fault: rewrite({ headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } }),
      },
    ],
    ends: 'ok',
  },
  {
    title: 'another digest named for the manifest',
    rules: () => [
      {
        ...MANIFEST,
        fault: rewrite({ headers: { 'docker-content-digest': `sha256:${'0'.repeat(64)}` } }),
      },
    ],
    ends: 'ok',
  },
  ...[200, 204].map(
    (status): Row => ({
      title: `blob: ${status} instead of 201`,
      rules: () => [{ ...COMMIT, fault: rewrite({ status: () => status }) }],
      ends: 'ok',
    }),
  ),
  {
    title: 'manifest: 200 instead of 201',
    rules: () => [{ ...MANIFEST, fault: rewrite({ status: () => 200 }) }],
    ends: 'ok',
  },
  {
    title: 'blob: 202 and not kept, once',
    rules: () => [{ ...COMMIT, times: 1, fault: answer(202) }],
    ends: 'ok',
  },
  {
    title: 'manifest: 200 and not kept, once',
    rules: () => [{ ...MANIFEST, times: 1, fault: answer(200) }],
    ends: 'ok',
  },
  {
    title: 'bodies over 8 MiB refused with 413',
    rules: () => [{ ...BODY, fault: limitBody(8 * MIB) }],
    ends: 'ok',
  },
  {
    title: 'bodies over 8 MiB refused, chunks under 5 MiB too',
    rules: () => [
      {
        ...OPEN,
        fault: rewrite({ headers: { 'oci-chunk-min-length': String(5 * MIB) } }),
      },
      { ...BODY, fault: limitBody(8 * MIB) },
      {
        ...PATCH,
        fault: async ({ request, drain, response }) => {
          const [, start, end] =
            /^([0-9]+)-([0-9]+)$/.exec(request.headers['content-range'] ?? '') ?? [];
          const isShort = Number(end) - Number(start) + 1 < 5 * MIB;
          // The last one may be shorter: only a first one can't be the last of 20 MiB.
          if (!isShort || start !== '0') return false;
          await drain();
          response.writeHead(416).end();
          return undefined;
        },
      },
    ],
    ends: 'ok',
  },
  {
    title: '413 for whole bodies, and 416 for a chunk, once',
    rules: () => [
      {
        ...PATCH,
        skip: 1,
        times: 1,
        fault: async (exchange) => {
          await exchange.drain();
          exchange.response.writeHead(416).end();
          return undefined;
        },
      },
      { ...BODY, fault: limitBody(8 * MIB) },
    ],
    ends: 'ok',
  },
  ...[404, 405, 501].map(
    (status): Row => ({
      title: `reset in mid-blob 3×, and PATCH → ${status}`,
      rules: () => [
        { ...COMMIT, times: 3, fault: large(reset(5 * MIB)) },
        { ...PATCH, fault: answer(status) },
      ],
      ends: 'ok',
    }),
  ),
  ...Object.entries<(old: string) => string | null>({
    'is missing': () => null,
    'goes beyond what was sent': () => '0-999999999',
    'goes back to the first byte': () => '0-0',
    'starts with bytes=': (old) => (old.startsWith('bytes') ? old : `bytes=${old}`),
  }).map(
    ([how, change]): Row => ({
      title: `chunks of 8 MiB, and Range ${how}`,
      rules: () => [
        { ...BODY, fault: limitBody(8 * MIB) },
        {
          ...PATCH,
          times: how.startsWith('goes') ? 1 : 99,
          fault: rewrite({ headers: { range: change } }),
        },
      ],
      ends: 'ok',
    }),
  ),
  ...[404, 200].map(
    (status): Row => ({
      title: `ping → ${status}${status === 200 ? ' with a page' : ''}`,
      rules: () => [{ ...PING, fault: answer(status, { headers: HTML, body: ERROR_PAGE }) }],
      ends: 'ok',
      mayNotStrike: true,
    }),
  ),
];

/** Everything that can go wrong between a client and a registry, and how it has to end. */
export const CATALOGUE: readonly Row[] = [
  ...CONNECTIONS,
  ...PATIENCE,
  ...TOKENS,
  ...SESSIONS,
  ...ODD_ANSWERS,
  ...ENDINGS_FOR_GOOD,
];
