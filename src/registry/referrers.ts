import { createLane, type Lane } from '../bytes/lane.ts';
import { collect, fromMemory } from '../bytes/stream.ts';
import { readManifest } from '../content/graph.ts';
import type { Open, Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { HttpResponse } from '../http/client.ts';
import { nextLink } from '../http/link.ts';
import { type Descriptor, describe } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import {
  encodeDocument,
  type ImageIndex,
  type ManifestDocument,
  parseManifest,
} from '../oci/manifest.ts';
import { isManifestType, MEDIA_TYPE } from '../oci/mediatype.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import type { RegistryHost } from './host.ts';
import { fetchManifest, putManifest, resolveManifest } from './manifests.ts';
import { isNextPage } from './reach.ts';

/** What belongs to the manifests of one repository. */
export interface Referrers {
  /**
   * The manifests whose subject is `subject`: from the API, else from the fallback tag
   * (distribution-spec, "Listing referrers").
   *
   * @throws SlipwayError `LIMIT_EXCEEDED`, `NOT_A_REGISTRY`
   */
  list(subject: Digest, options?: Signalled): Promise<readonly Descriptor[]>;
  /**
   * Enters a manifest that was put into its subject's fallback tag, where the registry didn't say
   * that it did so itself (distribution-spec, "Pushing manifests with subject").
   *
   * @param told the `OCI-Subject` of the registry's answer
   */
  note(
    descriptor: Descriptor,
    open: Open,
    told: string | undefined,
    options?: Signalled,
  ): Promise<void>;
}

const MAX_PAGES = 1000;
const MAX_REFERRERS = 10_000;
const MAX_TRIES = 20;

/** Those of one process don't race each other for a fallback tag. */
const LANES = new WeakMap<RegistryHost, Map<string, Lane>>();

/** Makes the referrers of a repository; nothing is sent before they are used. */
export function createReferrers(context: RepositoryContext): Referrers {
  let hasApi: boolean | undefined;
  const source = {
    fetch: (descriptor: Descriptor) => fetchManifest(context, descriptor),
  };

  const fallback = async (
    subject: Digest,
    options: Signalled,
  ): Promise<{ root: Descriptor; index: ImageIndex } | undefined> => {
    try {
      const root = await resolveManifest(context, fallbackTag(subject), options);
      const { document } = await readManifest(source, root, options);
      return document.kind === 'index' ? { root, index: document } : undefined;
    } catch (error) {
      if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  };

  const enter = async (entry: Descriptor, subject: Digest, options: Signalled): Promise<void> => {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      // The first look finds what is there, each further one what became of the last try.
      const found = await fallback(subject, options);
      if (found?.index.manifests.some(({ digest }) => digest === entry.digest)) return;
      const others = (found?.index.json.manifests ?? []) as readonly unknown[];
      const mediaType = MEDIA_TYPE.ociIndex;
      const json = { ...found?.index.json, schemaVersion: 2, mediaType };
      const bytes = encodeDocument({ ...json, manifests: [...others, entry] });
      const open = (offset: number) => fromMemory(bytes, offset);
      const expected = found?.root.digest ?? 'absent';
      try {
        const index = describe(bytes, mediaType);
        await putManifest(context, index, fallbackTag(subject), open, { ...options, expected });
      } catch (error) {
        if (!isSlipwayError(error, 'CONDITION_FAILED')) throw error;
      }
    }
    throw new SlipwayError(
      'CONDITION_FAILED',
      `${fallbackTag(subject)}: others change the list of what belongs to ${subject} all the time`,
      { ...whereIs(context), side: 'destination', hint: 'run the same command again' },
    );
  };

  return {
    async list(subject, options = {}) {
      if (hasApi !== false) {
        const found = await listByApi(context, subject, options);
        hasApi = found !== undefined;
        if (found !== undefined) return found;
      }
      const found = await fallback(subject, options);
      return distinct(context, found?.index.manifests ?? []);
    },
    async note(descriptor, open, told, options = {}) {
      const { manifestBytes } = DOCUMENT_LIMITS;
      const bytes = await collect(open(0), manifestBytes, descriptor.digest);
      const document = parseManifest(bytes, descriptor.mediaType);
      const { subject } = document;
      if (subject === undefined || told === subject.digest) return;
      const entry = describeReferrer(descriptor, document);
      await laneOf(context, fallbackTag(subject.digest)).run(
        () => enter(entry, subject.digest, options),
        options.signal,
      );
    },
  };
}

/** The tag that stands for the list of what belongs to a manifest, where there is no API. */
export function fallbackTag(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
}

/** How a list names a manifest that belongs to another one. */
function describeReferrer(
  { mediaType, digest, size }: Descriptor,
  document: ManifestDocument,
): Descriptor {
  const artifactType =
    document.artifactType ?? (document.kind === 'manifest' ? document.config.mediaType : undefined);
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(document.annotations === undefined ? {} : { annotations: document.annotations }),
  };
}

/** Undefined where the registry has no such API. */
async function listByApi(
  context: RepositoryContext,
  subject: Digest,
  { signal }: Signalled,
): Promise<readonly Descriptor[] | undefined> {
  let url: string | URL = `/v2/${context.repository.path}/referrers/${subject}`;
  const seen = new Set<string>();
  const found: Descriptor[] = [];
  for (let page = 0; page < MAX_PAGES; page++) {
    const response = await askApi(context, url, signal);
    if (response === undefined && page === 0) return undefined;
    if (response === undefined) throw broken(context, 'breaks off');
    seen.add(response.url.href);
    const bytes = await response.read(DOCUMENT_LIMITS.manifestBytes);
    const document = parseManifest(bytes);
    if (document.kind !== 'index') throw broken(context, 'is no index');
    found.push(...document.manifests);
    if (found.length > MAX_REFERRERS) throw tooMany(context);
    const link = nextLink(response.headers('link'));
    if (link === undefined) return distinct(context, found);
    const next = URL.parse(link, response.url.href);
    if (next === null || !isNextPage(next, response.url, context.repository)) {
      throw broken(context, 'names a next page outside itself');
    }
    if (seen.has(next.href)) throw broken(context, 'names a page twice');
    url = next;
  }
  throw tooMany(context);
}

async function askApi(
  context: RepositoryContext,
  url: string | URL,
  signal: AbortSignal | undefined,
): Promise<HttpResponse | undefined> {
  const asked = context.host.send({
    method: 'GET',
    url,
    repository: context.repository,
    scopes: context.pull,
    headers: { accept: MEDIA_TYPE.ociIndex },
    answerBytes: DOCUMENT_LIMITS.manifestBytes,
    doing: 'list what belongs to a manifest',
    signal,
  });
  const response = await asked.catch((error: unknown) => {
    // Some know no such path and take it for one that a login is needed for.
    if (isSlipwayError(error, 'AUTH_REQUIRED', 'DENIED')) return undefined;
    throw error;
  });
  if (response === undefined) return undefined;
  const type = response.header('content-type')?.split(';')[0]?.trim();
  if (response.status === 200 && type === MEDIA_TYPE.ociIndex) return response;
  await response.drop();
  return undefined;
}

function distinct(
  context: RepositoryContext,
  descriptors: readonly Descriptor[],
): readonly Descriptor[] {
  if (descriptors.length > MAX_REFERRERS) throw tooMany(context);
  const byDigest = new Map<string, Descriptor>();
  for (const descriptor of descriptors) {
    if (isManifestType(descriptor.mediaType)) byDigest.set(descriptor.digest, descriptor);
  }
  return [...byDigest.values()];
}

function laneOf({ host, repository }: RepositoryContext, tag: string): Lane {
  let lanes = LANES.get(host);
  if (lanes === undefined) {
    lanes = new Map();
    LANES.set(host, lanes);
  }
  const key = `${repository.path}:${tag}`;
  const lane = lanes.get(key) ?? createLane(1);
  lanes.set(key, lane);
  return lane;
}

function tooMany(context: RepositoryContext): SlipwayError {
  return new SlipwayError(
    'LIMIT_EXCEEDED',
    `more than ${MAX_REFERRERS} manifests, or ${MAX_PAGES} pages of them, belong to one manifest`,
    whereIs(context),
  );
}

function broken(context: RepositoryContext, how: string): SlipwayError {
  return new SlipwayError('NOT_A_REGISTRY', `the referrers list of ${context.host.name} ${how}`, {
    ...whereIs(context),
  });
}
