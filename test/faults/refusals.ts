import { answer, endless, refuse } from './faults.ts';
import { BODY, MANIFEST, OPEN, type Row } from './row.ts';

const PAGE = '<html><head><title>Welcome</title></head><body>log in to the network</body></html>';

/** What a registry refuses for good: the client has to say so at once, in the registry's words. */
export const ENDINGS_FOR_GOOD: readonly Row[] = [
  {
    title: 'read-only registry: 405',
    rules: () => [{ ...OPEN, fault: refuse(405, 'UNSUPPORTED', 'the registry is read-only') }],
    ends: { exit: 15, says: /the registry is read-only/ },
  },
  {
    title: 'quota: 403 for a blob',
    rules: () => [{ ...BODY, fault: refuse(403, 'DENIED', 'quota exceeded: 5 GB of 5 GB') }],
    ends: { exit: 13, says: /quota exceeded: 5 GB of 5 GB/ },
  },
  ...[400, 409, 412].map(
    (status): Row => ({
      title: `immutable tag: ${status}`,
      rules: () => [{ ...MANIFEST, fault: refuse(status, 'TAG_INVALID', "tag '1' is immutable") }],
      ends: { exit: 14, says: /tag '1' is immutable/ },
    }),
  ),
  {
    title: 'disk full: 507',
    rules: () => [{ ...BODY, fault: refuse(507, 'UNKNOWN', 'no space left on device') }],
    ends: { exit: 13, says: /no space left on device/ },
  },
  {
    title: 'not allowed: 403',
    rules: () => [{ ...OPEN, fault: refuse(403, 'DENIED', 'requested access is denied') }],
    ends: { exit: 11, says: /requested access is denied/ },
  },
  {
    title: 'not logged in: 401 without a token service',
    rules: () => [
      {
        fault: refuse(401, 'UNAUTHORIZED', 'authentication required', {
          headers: { 'www-authenticate': 'Basic realm="x"' },
        }),
      },
    ],
    ends: { exit: 10, says: /log in with/ },
  },
  {
    title: 'no such repository: 404',
    rules: () => [
      { ...OPEN, fault: refuse(404, 'NAME_UNKNOWN', 'repository name not known to registry') },
    ],
    ends: { exit: 12, says: /repository name not known to registry/ },
  },
  {
    title: 'kind of manifest refused: 415',
    rules: () => [
      { ...MANIFEST, fault: refuse(415, 'MANIFEST_INVALID', 'media type not allowed') },
    ],
    ends: { exit: 15, says: /media type not allowed/ },
  },
  {
    title: 'manifest refused: 400 MANIFEST_INVALID',
    rules: () => [{ ...MANIFEST, fault: refuse(400, 'MANIFEST_INVALID', 'layers are unsigned') }],
    ends: { exit: 15, says: /layers are unsigned/ },
  },
  {
    title: 'a web page with 200 for everything',
    rules: () => [{ fault: answer(200, { headers: { 'content-type': 'text/html' }, body: PAGE }) }],
    ends: { exit: 16, says: /does not look like a registry/ },
  },
  {
    title: 'a refusal that breaks off in its JSON',
    rules: () => [{ ...OPEN, fault: answer(403, { body: '{"errors":[{"code":"DEN' }) }],
    ends: { exit: 11, says: /answered 403/ },
  },
  {
    title: 'a refusal that never ends',
    rules: () => [{ ...OPEN, fault: endless(403, { 'content-type': 'application/json' }) }],
    ends: { exit: 17, says: /more text than any honest error has/ },
  },
  {
    title: 'a token that never ends',
    tokens: { isEndless: true },
    rules: () => [],
    ends: { exit: 17, says: /is longer than/ },
    mayNotStrike: true,
  },
  {
    title: 'commands for terminals in a refusal',
    rules: () => [
      {
        ...OPEN,
        fault: refuse(403, 'DENIED', 'no\u001b[2J\u001b]0;owned\u0007\r\n::set-output name=x::y'),
      },
    ],
    ends: { exit: 11, says: /DENIED: no/ },
  },
];
