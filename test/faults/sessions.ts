import { large, loseAnswer, refuse, rewrite, truncate } from './faults.ts';
import { BODY, COMMIT, MANIFEST, OPEN, PATCH, type Row } from './row.ts';

/** Upload sessions that are lost, and Locations that are odd. */
export const SESSIONS: readonly Row[] = [
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
