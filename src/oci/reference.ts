import { SlipwayError } from '../errors.ts';
import { type Digest, isDigest } from './digest.ts';

/**
 * A name of an image at a registry, normalised: Docker Hub's short forms are spelled out, and a
 * reference without tag and digest means `latest` (see {@link parseReference}).
 */
export interface Reference {
  /** registry host, with port if one was given: `docker.io`, `localhost:5000`, `[::1]:5000` */
  readonly host: string;
  /** repository path: `library/debian`, `team/app` */
  readonly path: string;
  readonly tag?: string;
  readonly digest?: Digest;
}

/** A repository without tag and digest. */
export type RepositoryName = Pick<Reference, 'host' | 'path'>;

export const DOCKER_HUB = 'docker.io';
const DEFAULT_TAG = 'latest';
const MAX_PATH = 255;

const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const PATH_PART = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const HOST_LABEL = '(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])';
const HOST = new RegExp(
  `^(?:${HOST_LABEL}(?:\\.${HOST_LABEL})*|\\[[A-Fa-f0-9:]+\\])(?::[0-9]{1,5})?$`,
);
const IDENTIFIER = /^[a-f0-9]{64}$/;

/** True if `text` can be a tag (distribution-spec, "Pulling manifests"). */
export function isTag(text: string): boolean {
  return TAG.test(text);
}

/** True if `text` can be a repository's path at a registry. */
export function isRepositoryPath(text: string): boolean {
  return text.length <= MAX_PATH && text.split('/').every((part) => PATH_PART.test(part));
}

/**
 * True if `text` can be a registry's `host[:port]`.
 *
 * Names that a URL would turn into something else (`127.1`, `0x7f.0.0.1`) are no hosts: what is
 * shown and what credentials are looked up by must be what is connected to.
 */
export function isHost(text: string): boolean {
  if (!HOST.test(text)) return false;
  const url = URL.parse(`http://${text}`);
  if (url === null) return false;
  return text.startsWith('[') || url.hostname === text.replace(/:[0-9]+$/, '').toLowerCase();
}

/**
 * Parses a reference by the rules of docker (github.com/distribution/reference): the first
 * component is a host if it holds `.` or `:`, is `localhost` or holds an upper-case letter; names
 * without a host are Docker Hub's, and those of one component get `library/`.
 *
 * The result has the tag `latest` if neither tag nor digest was given, unless
 * `defaultTag` is false.
 *
 * @throws SlipwayError `REFERENCE_INVALID`
 * @example
 * parseReference('debian')              // docker.io/library/debian:latest
 * parseReference('localhost:5000/a:1')  // localhost:5000/a:1
 */
export function parseReference(text: string, { defaultTag = true } = {}): Reference {
  if (IDENTIFIER.test(text)) {
    throw invalid(text, 'an image id is no name; write NAME@sha256:… for a digest');
  }
  let rest = text;
  let digest: Digest | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    const digestText = rest.slice(at + 1);
    if (!isDigest(digestText)) throw invalid(text, 'what follows @ is not a digest');
    digest = digestText;
    rest = rest.slice(0, at);
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/') && colon > rest.lastIndexOf(']')) {
    // `host:5000` alone is read as a name with a tag, as docker does.
    tag = rest.slice(colon + 1);
    if (!isTag(tag)) throw invalid(text, 'what follows the last : is not a tag');
    rest = rest.slice(0, colon);
  }
  const { host, path } = splitName(rest, text);
  return {
    host,
    path,
    ...(tag !== undefined ? { tag } : {}),
    ...(digest !== undefined ? { digest } : {}),
    ...(tag === undefined && digest === undefined && defaultTag ? { tag: DEFAULT_TAG } : {}),
  };
}

/**
 * Parses `HOST/PATH` or a short name, without tag and digest.
 *
 * @throws SlipwayError `REFERENCE_INVALID`
 */
export function parseRepository(text: string): RepositoryName {
  const { host, path, tag, digest } = parseReference(text, { defaultTag: false });
  if (tag !== undefined || digest !== undefined) {
    throw invalid(text, 'a repository is written without tag and digest');
  }
  return { host, path };
}

function splitName(name: string, whole: string): RepositoryName {
  const hosted = hostOf(name);
  let host = hosted ?? DOCKER_HUB;
  let path = hosted === undefined ? name : name.slice(hosted.length + 1);
  if (!isHost(host)) throw invalid(whole, `${JSON.stringify(host)} is not a host`);
  if (host === 'index.docker.io') host = DOCKER_HUB;
  if (host === DOCKER_HUB && path !== '' && !path.includes('/')) path = `library/${path}`;
  if (path.length > MAX_PATH)
    throw invalid(whole, `the path is longer than ${MAX_PATH} characters`);
  if (!isRepositoryPath(path)) {
    throw invalid(
      whole,
      path !== path.toLowerCase()
        ? 'repository names are lower case'
        : 'a path has parts of lower-case letters and digits, joined by one . or _, two _, or -',
    );
  }
  return { host, path };
}

/** The first part of a name, if it looks like a host. */
function hostOf(name: string): string | undefined {
  const slash = name.indexOf('/');
  if (slash < 0) return undefined;
  const first = name.slice(0, slash);
  return /[.:A-Z]/.test(first) || first === 'localhost' ? first : undefined;
}

/** `HOST/PATH[:TAG][@DIGEST]`: what Slipway prints and stores. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${formatRepository(reference)}${tag}${digest}`;
}

/** `HOST/PATH`. */
export function formatRepository({ host, path }: RepositoryName): string {
  return `${host}/${path}`;
}

/**
 * The repository as docker shows it: Docker Hub's host and `library/` left out, where what is left
 * still names the same repository.
 */
export function familiarRepository({ host, path }: RepositoryName): string {
  if (host !== DOCKER_HUB) return `${host}/${path}`;
  const short = path.startsWith('library/') ? path.slice('library/'.length) : path;
  // Shortened, `library/foo/bar` would be another repository.
  const familiar = short.includes('/') ? path : short;
  return hostOf(familiar) === undefined ? familiar : `${host}/${path}`;
}

/** A reference as docker shows it. */
export function familiarReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`;
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`;
  return `${familiarRepository(reference)}${tag}${digest}`;
}

function invalid(text: string, why: string): SlipwayError {
  const shown = text.length > 300 ? `${text.slice(0, 300)}…` : text;
  return new SlipwayError(
    'REFERENCE_INVALID',
    `invalid reference ${JSON.stringify(shown)}: ${why}`,
    {
      hint: 'a reference is [HOST[:PORT]/]PATH[:TAG][@DIGEST]',
    },
  );
}
