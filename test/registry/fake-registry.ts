import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { digestOf } from '../../src/oci/digest.ts';
import { serve } from '../http/servers.ts';
import type { Owner } from '../rig/lifetime.ts';

/** A request that is being answered. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly url: URL;
  /** `HEAD blob`, `POST upload`, `PATCH upload`, `PUT upload`, `PUT manifest`, `GET tags` … */
  readonly what: string;
  /** how many requests of this kind came, this one included */
  readonly nth: number;
  readonly registry: Omit<FakeRegistry, 'host'>;
  /** The request's body, read once. */
  body(): Promise<Buffer>;
  /** Answers with a document, or with nothing. */
  answer(status: number, headers?: Record<string, string>, body?: unknown): void;
  /** Does what a registry does, and tells it in another way if one is given. */
  serve(answer?: Call['answer']): Promise<void>;
}

/** Answers instead of the registry; `true` means that it has. */
export type Quirk = (call: Call) => boolean | undefined | Promise<boolean | undefined>;

/** What came in. */
export interface Seen {
  readonly what: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

/** A registry in memory that keeps no secrets and checks nothing that it needn't. */
export interface FakeRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly seen: readonly Seen[];
  readonly blobs: Map<string, Buffer>;
  /** by `PATH:TAG` and `PATH@DIGEST` */
  readonly manifests: Map<string, { readonly type: string; readonly bytes: Buffer }>;
  /** open upload sessions: what they hold */
  readonly sessions: Map<string, Buffer>;
  /** How often something came. */
  count(what: string): number;
}

/** Starts a registry that does what `quirk` says, and else what a registry does. */
export async function startFakeRegistry(
  owner: Owner,
  quirk: Quirk = () => false,
): Promise<FakeRegistry> {
  const seen: Seen[] = [];
  const blobs: FakeRegistry['blobs'] = new Map();
  const manifests: FakeRegistry['manifests'] = new Map();
  const sessions: FakeRegistry['sessions'] = new Map();
  const count = (what: string) => seen.filter((one) => one.what === what).length;

  const serveCall = async (call: Call): Promise<void> => {
    const { method, url, answer } = call;
    const [, path = '', kind = '', name = ''] = ROUTE.exec(url.pathname) ?? [];
    const reading = method === 'GET' || method === 'HEAD';
    if (kind === 'tags' && reading) {
      const tags = [...manifests.keys()]
        .filter((key) => key.startsWith(`${path}:`))
        .map((key) => key.slice(path.length + 1));
      return answer(200, {}, { name: path, tags });
    }
    if (kind === 'manifests' && reading) {
      const found = manifests.get(name.includes(':') ? `${path}@${name}` : `${path}:${name}`);
      if (found === undefined) return answer(404, {}, errors('MANIFEST_UNKNOWN'));
      return answer(
        200,
        { 'content-type': found.type, 'docker-content-digest': digestOf(found.bytes) },
        found.bytes,
      );
    }
    if (kind === 'manifests' && method === 'PUT') {
      const bytes = await call.body();
      const manifest = { type: call.request.headers['content-type'] ?? '', bytes };
      const digest = digestOf(bytes);
      manifests.set(`${path}@${digest}`, manifest);
      if (!name.includes(':')) manifests.set(`${path}:${name}`, manifest);
      return answer(201, { 'docker-content-digest': digest });
    }
    if (kind === 'blobs' && reading) {
      const found = blobs.get(name);
      return found === undefined
        ? answer(404)
        : answer(200, { 'docker-content-digest': name }, found);
    }
    if (kind !== 'blobs/uploads') return answer(404);
    if (method === 'POST') {
      await call.body();
      const mount = url.searchParams.get('mount');
      if (mount !== null && blobs.has(mount))
        return answer(201, { 'docker-content-digest': mount });
      const session = randomUUID();
      sessions.set(session, Buffer.alloc(0));
      return answer(202, { location: `/v2/${path}/blobs/uploads/${session}?_state=a%2Fb%3D%3D` });
    }
    const bytes = await call.body();
    const held = sessions.get(name);
    if (held === undefined) return answer(404, {}, errors('BLOB_UPLOAD_UNKNOWN'));
    const all = Buffer.concat([held, bytes]);
    if (method === 'PATCH') {
      sessions.set(name, all);
      const range = `0-${Math.max(0, all.byteLength - 1)}`;
      return answer(202, { location: url.pathname + url.search, range });
    }
    sessions.delete(name);
    if (method === 'DELETE') return answer(204);
    const digest = url.searchParams.get('digest') ?? '';
    if (digestOf(all) !== digest) return answer(400, {}, errors('DIGEST_INVALID'));
    blobs.set(digest, all);
    return answer(201, { 'docker-content-digest': digest });
  };

  const host = await serve(owner, async (request, response) => {
    const method = request.method ?? '';
    const url = new URL(request.url ?? '', `http://${request.headers.host}`);
    const what = `${method} ${KINDS[ROUTE.exec(url.pathname)?.[2] ?? ''] ?? 'other'}`;
    seen.push({ what, path: request.url ?? '', headers: request.headers });
    // A connection that the test cuts has nothing to tell.
    request.on('error', () => {});
    let reading: Promise<Buffer> | undefined;
    const call: Call = {
      request,
      response,
      method,
      url,
      what,
      nth: count(what),
      registry: { seen, blobs, manifests, sessions, count },
      body: () => {
        reading ??= readAll(request);
        return reading;
      },
      answer(status, headers = {}, body) {
        const bytes =
          body === undefined
            ? Buffer.alloc(0)
            : Buffer.isBuffer(body)
              ? body
              : Buffer.from(JSON.stringify(body));
        const type =
          body === undefined || Buffer.isBuffer(body) ? {} : { 'content-type': 'application/json' };
        response.writeHead(status, {
          ...type,
          'content-length': String(bytes.byteLength),
          ...headers,
        });
        response.end(method === 'HEAD' ? undefined : bytes);
      },
      serve: (answer = call.answer) => serveCall({ ...call, answer }),
    };
    try {
      if ((await quirk(call)) !== true) await call.serve();
    } catch {
      response.destroy();
    }
  });
  return { host, seen, blobs, manifests, sessions, count };
}

/** The body of an answer that reports an error. */
export function errors(code: string, message = '', detail?: unknown): unknown {
  return { errors: [{ code, message, ...(detail === undefined ? {} : { detail }) }] };
}

const ROUTE = /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs|tags)\/([^/]*)$/;

const KINDS: Readonly<Record<string, string>> = {
  manifests: 'manifest',
  'blobs/uploads': 'upload',
  blobs: 'blob',
  tags: 'tags',
};

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
