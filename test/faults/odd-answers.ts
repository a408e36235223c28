import { answer, large, limitBody, refuse, reset, rewrite } from './faults.ts';
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

/** Answers that are wrong, or right in an unusual way. */
export const ODD_ANSWERS: readonly Row[] = [
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
