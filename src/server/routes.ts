import { deleteBlob, getBlob } from './blobs.ts';
import type { RegistryContext } from './context.ts';
import { Refusal } from './errors.ts';
import { type Exchange, respondJson } from './exchange.ts';
import { deleteManifest, getManifest, putManifest } from './manifests.ts';
import { getReferrers } from './referrers.ts';
import { getTags } from './tags.ts';
import { isServedName, type Target } from './target.ts';
import { appendUpload, cancelUpload, commitUpload, getUpload, startUpload } from './uploads.ts';

type Handler = (exchange: Exchange, target: Target, context: RegistryContext) => Promise<void>;

/** One endpoint (distribution-spec, "Endpoints"). */
export interface Route {
  readonly method: string;
  /** `{name}` is a repository's path, `{reference}` one component */
  readonly template: string;
  /** it changes what the registry holds */
  readonly writes: boolean;
  readonly handle: Handler;
}

const BLOB = '/v2/{name}/blobs/{reference}';
const UPLOADS = '/v2/{name}/blobs/uploads/';
const UPLOAD = '/v2/{name}/blobs/uploads/{reference}';
const MANIFEST = '/v2/{name}/manifests/{reference}';
const TAGS = '/v2/{name}/tags/list';
const REFERRERS = '/v2/{name}/referrers/{reference}';
const ROOT = '/v2/';

/** Everything that is answered, and nothing else is. */
export const ROUTES: readonly Route[] = [
  reading('GET', ROOT, (exchange) => respondJson(exchange, 200, {})),
  reading('HEAD', ROOT, (exchange) => respondJson(exchange, 200, {})),
  reading('GET', BLOB, getBlob),
  reading('HEAD', BLOB, getBlob),
  writing('DELETE', BLOB, deleteBlob),
  writing('POST', UPLOADS, startUpload),
  reading('GET', UPLOAD, getUpload),
  writing('PATCH', UPLOAD, appendUpload),
  writing('PUT', UPLOAD, commitUpload),
  writing('DELETE', UPLOAD, cancelUpload),
  reading('GET', MANIFEST, getManifest),
  reading('HEAD', MANIFEST, getManifest),
  writing('PUT', MANIFEST, putManifest),
  writing('DELETE', MANIFEST, deleteManifest),
  reading('GET', TAGS, getTags),
  reading('GET', REFERRERS, getReferrers),
];

function reading(method: string, template: string, handle: Handler): Route {
  return { method, template, writes: false, handle };
}

function writing(method: string, template: string, handle: Handler): Route {
  return { method, template, writes: true, handle };
}

/**
 * Finds what answers a request.
 *
 * @param path as it stands in the request line: it is decoded nowhere, for no name that this
 * registry accepts has to be encoded. Only `%3A` is read as the colon of a digest.
 * @throws Refusal 404 `UNSUPPORTED`, `NAME_INVALID`; 405 `UNSUPPORTED`
 */
export function findRoute(method: string, path: string): { route: Route; target: Target } {
  const { template, name, reference } = splitPath(path.replace(/%3a/gi, ':'));
  const routes = ROUTES.filter((route) => route.template === template);
  if (routes.length === 0) {
    throw new Refusal('UNSUPPORTED', 'this registry has no such endpoint', { status: 404 });
  }
  if (name !== '' && !isServedName(name)) {
    throw new Refusal('NAME_INVALID', 'not a repository name that this registry can keep');
  }
  const route = routes.find((candidate) => candidate.method === method);
  if (route === undefined) {
    throw new Refusal('UNSUPPORTED', 'this endpoint does not know that method', {
      headers: { allow: routes.map((known) => known.method).join(', ') },
    });
  }
  return { route, target: { repository: name, reference } };
}

interface SplitPath {
  readonly template: string;
  readonly name: string;
  readonly reference: string;
}

/** Names hold slashes, so a path is read from its end. */
function splitPath(path: string): SplitPath {
  if (path === '/v2' || path === '/v2/') return { template: ROOT, name: '', reference: '' };
  if (!path.startsWith('/v2/')) return { template: '', name: '', reference: '' };
  const parts = path.slice('/v2/'.length).split('/');
  const split = (template: string, nameParts: number, reference = ''): SplitPath => ({
    template,
    name: parts.slice(0, nameParts).join('/'),
    reference,
  });
  const count = parts.length;
  const last = parts.at(-1) ?? '';
  const kind = parts.at(-2);
  if (count >= 3 && kind === 'tags' && last === 'list') return split(TAGS, count - 2);
  if (count >= 4 && parts.at(-3) === 'blobs' && kind === 'uploads') {
    return last === '' ? split(UPLOADS, count - 3) : split(UPLOAD, count - 3, last);
  }
  if (count >= 3 && kind === 'blobs') {
    return last === 'uploads' ? split(UPLOADS, count - 2) : split(BLOB, count - 2, last);
  }
  if (count >= 3 && kind === 'manifests') return split(MANIFEST, count - 2, last);
  if (count >= 3 && kind === 'referrers') return split(REFERRERS, count - 2, last);
  return split('', 0);
}
