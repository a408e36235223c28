import type { IncomingMessage, ServerResponse } from 'node:http';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { serve, serveRaw } from '../http/servers.ts';
import type { Owner } from '../rig/lifetime.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const FILLER = Buffer.alloc(256 * 1024, 'x');
const JSON_TYPE = { 'content-type': 'application/json' };
const MiB = 1024 * 1024;

/** Goes on writing for as long as somebody reads. */
function forEver(response: ServerResponse, filler: Uint8Array = FILLER): void {
  const more = (error?: Error | null) => {
    if (!error && !response.destroyed) response.write(filler, more);
  };
  more();
}

const endlessBody =
  (status: number, begin: string, headers: Record<string, string> = JSON_TYPE): Answer =>
  ({ method }, response) => {
    response.writeHead(status, headers);
    if (method === 'HEAD') return void response.end();
    response.write(begin);
    forEver(response);
  };

/** The number that a request's query holds under `page`, which each of our own links raises. */
function pageOf({ url = '' }: IncomingMessage): number {
  return Number(/[?&]page=(\d+)/.exec(url)?.[1] ?? 0);
}

function nextPage(request: IncomingMessage): { readonly link: string } {
  const [path = ''] = (request.url ?? '').split('?');
  return { link: `<${path}?page=${pageOf(request) + 1}>; rel="next"` };
}

function send(response: ServerResponse, headers: Record<string, string>, body: string | Buffer) {
  response.writeHead(200, { ...JSON_TYPE, ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

const EMPTY = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: digestOf('{}'),
  size: 2,
};
const LAYER = { mediaType: MEDIA_TYPE.ociLayer, digest: digestOf('layer'), size: 5 };
const manifestWith = (fields: object) =>
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: { ...EMPTY, mediaType: MEDIA_TYPE.ociConfig },
    layers: [LAYER],
    ...fields,
  });

/** Answers a manifest of which everything else is asked. */
function sendManifest(request: IncomingMessage, response: ServerResponse, text: string): void {
  const digest = digestOf(text);
  const headers = { 'content-type': MEDIA_TYPE.ociManifest, 'docker-content-digest': digest };
  response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(text) });
  response.end(request.method === 'HEAD' ? undefined : text);
}

/** Blobs and lists are what `other` says; manifests are there. */
const behindManifest =
  (other: Answer, text = manifestWith({})): Answer =>
  (request, response) =>
    request.url?.includes('/manifests/') === true && !request.url.includes('manifests/sha256-')
      ? sendManifest(request, response, text)
      : other(request, response);

/** An artifact that is whole; what belongs to it is what `referrers` says. */
const behindArtifact = (referrers: Answer): Answer =>
  behindManifest(
    (request, response) => {
      if (request.url?.includes('/referrers/') === true) return referrers(request, response);
      if (request.url?.includes(EMPTY.digest) === true) return send(response, {}, '{}');
      response.writeHead(404).end();
    },
    manifestWith({ artifactType: 'application/x.test', config: EMPTY, layers: [EMPTY] }),
  );

const deep = (levels: number) => `{"tags":${'['.repeat(levels)}${']'.repeat(levels)}}`;

/** A page of almost 4 MiB: many short tags, or fewer long ones. */
function fullPage(count: number, filler: string): string {
  return JSON.stringify({
    tags: Array.from({ length: count }, (_, nth) => `${filler}${nth}-page`),
  });
}

const SHORT_TAGS = fullPage(280_000, '');
const LONG_TAGS = fullPage(30_000, 'x'.repeat(110));

function fullListOfReferrers(page: number): string {
  const manifests = Array.from({ length: 9_000 }, (_, nth) => ({
    mediaType: MEDIA_TYPE.ociManifest,
    digest: digestOf(`${page} ${nth}`),
    size: 100,
    annotations: { a: 'x'.repeat(200) },
  }));
  return JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests });
}

/** What a registry can answer for ever, by the path of a repository. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  error: endlessBody(400, '{"errors":[{"code":"'),
  busy: endlessBody(503, ''),
  denied: endlessBody(403, '{"errors":['),
  redirect: (_, response) => {
    response.writeHead(302, { location: '/v2/redirect/elsewhere' });
    forEver(response);
  },
  hops: (request, response) => {
    response.writeHead(307, { location: nextPage(request).link.slice(1, -13) });
    response.end();
  },
  manifest: endlessBody(200, '{"schemaVersion":2,"x":"', {
    'content-type': MEDIA_TYPE.ociManifest,
  }),
  config: behindManifest(endlessBody(200, '{"x":"')),
  layer: behindManifest((request, response) => {
    if (request.url?.includes(EMPTY.digest) === true) return send(response, {}, '{}');
    endlessBody(200, '', {})(request, response);
  }),
  tags: endlessBody(200, '{"tags":["'),
  pages: (request, response) => send(response, nextPage(request), SHORT_TAGS),
  'pages-of-long-tags': (request, response) => send(response, nextPage(request), LONG_TAGS),
  'empty-pages': (request, response) => send(response, nextPage(request), '{"tags":[]}'),
  'same-page': (request, response) => {
    const link = `<${request.url?.split('?')[0]}?page=1>; rel="next"`;
    send(response, { link }, '{"tags":["a"]}');
  },
  deep: (_, response) => send(response, {}, deep(2 * MiB - 10)),
  referrers: behindArtifact((request, response) => {
    const index = { 'content-type': MEDIA_TYPE.ociIndex };
    endlessBody(200, '{"schemaVersion":2,"manifests":[', index)(request, response);
  }),
  'referrer-pages': behindArtifact((request, response) => {
    const headers = { ...nextPage(request), 'content-type': MEDIA_TYPE.ociIndex };
    send(response, headers, fullListOfReferrers(pageOf(request)));
  }),
  challenge: (_, response) => {
    const challenges = Array.from(
      { length: 700 },
      (_, nth) => `Scheme${nth} realm="${'x'.repeat(64)}"`,
    );
    response.writeHead(401, { 'www-authenticate': challenges.join(', ') }).end();
  },
  token: ({ headers }, response) => {
    const challenge = `Bearer realm="http://${headers.host}/token",service="here"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
  },
  refused: endlessBody(401, '', { 'www-authenticate': 'Basic realm="here"' }),
  packed: (request, response) => {
    const headers = { 'content-type': MEDIA_TYPE.ociManifest, 'content-encoding': 'gzip' };
    endlessBody(200, '', headers)(request, response);
  },
};

const TOKEN = endlessBody(200, '{"token":"');

/** Starts a registry that answers by the first part of a repository's path, without end. */
export async function serveEndless(owner: Owner): Promise<string> {
  return await serve(owner, endlessAnswers);
}

function endlessAnswers(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  request.on('error', () => {});
  response.on('error', () => {});
  const [, first = '', kind = ''] = (request.url ?? '').split(/[/?]/);
  const answer = first === 'token' ? TOKEN : Object.hasOwn(ANSWERS, kind) && ANSWERS[kind];
  if (answer) answer(request, response);
  else response.writeHead(404).end();
}

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n';
const CHUNKED = `${HEAD}Transfer-Encoding: chunked\r\n\r\n`;

/** What a server without manners can send for ever: the start, and what it repeats. */
const RAW: Readonly<Record<string, readonly [begin: string, again: string]>> = {
  headers: [HEAD, 'X-Header: x\r\n'],
  'one header': [`${HEAD}X-Header: `, 'x'.repeat(1024)],
  'status line': ['HTTP/1.1 200 ', 'x'.repeat(1024)],
  trailers: [`${CHUNKED}0\r\n`, 'X-Trailer: x\r\n'],
  'interim answers': ['', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
  'chunk extensions': [`${CHUNKED}1;x=`, 'x'.repeat(1024)],
  'empty lines': ['', '\r\n'.repeat(512)],
};

/** What {@link serveRawEndless} can send. */
export const RAW_KINDS = Object.keys(RAW);

/** Starts a server that sends one of {@link RAW_KINDS} without end. Gives `127.0.0.1:PORT`. */
export async function serveRawEndless(owner: Owner, kind: string): Promise<string> {
  const [begin, again] = RAW[kind] ?? ['', ''];
  const filler = Buffer.from(again.repeat(Math.ceil((64 * 1024) / again.length)));
  return await serveRaw(owner, (socket) => {
    socket.once('data', () => {
      socket.write(begin);
      const more = (error?: Error | null) => {
        if (!error && socket.writable) socket.write(filler, more);
      };
      more();
    });
    socket.resume();
  });
}
