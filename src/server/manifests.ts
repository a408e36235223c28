import { CHUNK_BYTES, fromMemory } from '../bytes/stream.ts';
import { isSlipwayError } from '../errors.ts';
import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, digestOf } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { childrenOf, type ManifestDocument, parseManifest } from '../oci/manifest.ts';
import { isNonDistributable } from '../oci/mediatype.ts';
import { isTag } from '../oci/reference.ts';
import { conditionsOf } from './conditions.ts';
import type { RegistryContext } from './context.ts';
import { Refusal, unlessRemoved } from './errors.ts';
import { type Exchange, header, readRequestBody, respond, respondBytes } from './exchange.ts';
import type { ManifestStore } from './manifest-store.ts';
import { type HeldBody, SMALL_BODY_BYTES } from './room.ts';
import { digestOfTag, tagAmong } from './tags.ts';
import { checkDigest, type Target, unknownRepository } from './target.ts';

/** How many tags one PUT may set, and how many missing digests an error names. */
const MAX_TAGS = 100;
const MAX_NAMED = 100;

/** GET and HEAD `/manifests/<reference>` (distribution-spec, "Pulling manifests"). */
export async function getManifest(
  exchange: Exchange,
  { repository, reference }: Target,
  { repositories, manifests }: RegistryContext,
): Promise<void> {
  const asked = reference.includes(':') ? checkDigest(reference) : undefined;
  const isFound = await repositories.read(repository, async (layout) => {
    const digest = asked ?? (await digestOfTag(layout, reference));
    const descriptor = digest && (await manifests.describe(layout, digest));
    if (descriptor === undefined) return false;
    await respondManifest(exchange, layout, descriptor, manifests);
    return true;
  });
  if (isFound === undefined) throw unknownRepository();
  if (!isFound) throw unknownManifest();
}

async function respondManifest(
  exchange: Exchange,
  layout: Layout,
  descriptor: Descriptor,
  manifests: ManifestStore,
): Promise<void> {
  const headers = {
    'content-type': descriptor.mediaType,
    'docker-content-digest': descriptor.digest,
    etag: `"${descriptor.digest}"`,
  };
  if (header(exchange, 'if-none-match') === headers.etag) {
    await respond(exchange, 304, headers);
    return;
  }
  const all = { ...headers, 'content-length': descriptor.size };
  if (exchange.method === 'HEAD') {
    await respond(exchange, 200, all);
    return;
  }
  if (descriptor.size <= SMALL_BODY_BYTES) {
    const manifest = await manifests.read(layout, descriptor.digest);
    if (manifest === undefined) throw unknownManifest();
    await respond(exchange, 200, all, manifest.bytes);
    return;
  }
  // A client that doesn't read would keep it in memory.
  const chunkBytes = Math.min(CHUNK_BYTES, exchange.room.blockBytes());
  const bytesOnDisk = layout.fetch(descriptor, { chunkBytes });
  await unlessRemoved(respondBytes(exchange, 200, all, bytesOnDisk), unknownManifest);
}

/**
 * PUT `/manifests/<reference>` (distribution-spec, "Pushing manifests"): by tag, or by digest with
 * any number of `tag` parameters, which all move or none. What the manifest names and the repository
 * lacks is told in a `Warning`, or refused, except its subject and layers that may not be
 * distributed.
 */
export async function putManifest(
  exchange: Exchange,
  target: Target,
  context: RegistryContext,
): Promise<void> {
  const held = exchange.room.hold();
  try {
    await takeManifest(exchange, target, context, held);
  } finally {
    held.release();
  }
}

async function takeManifest(
  exchange: Exchange,
  { repository, reference }: Target,
  { repositories, quota, sparse }: RegistryContext,
  held: HeldBody,
): Promise<void> {
  const wanted = reference.includes(':') ? checkDigest(reference) : undefined;
  const tags = wanted === undefined ? [reference] : exchange.query.getAll('tag');
  checkTags(tags);
  const bytes = await readRequestBody(exchange, DOCUMENT_LIMITS.manifestBytes, held);
  const digest = digestOf(bytes, wanted === undefined ? 'sha256' : digestAlgorithm(wanted));
  if (wanted !== undefined && digest !== wanted) {
    throw new Refusal('DIGEST_INVALID', `the manifest has the digest ${digest}`);
  }
  const document = parseManifest(bytes, contentType(exchange));
  checkDeclaresItself(document, bytes);
  const descriptor = { mediaType: document.mediaType, digest, size: bytes.byteLength };
  const conditions = conditionsOf(exchange);
  const missing = await repositories.replace(repository, async (layout) => {
    // Of what is refused here nothing is kept; for tags the last word has the look under the lock.
    if (tags.length === 0) conditions?.([await present(layout, digest)]);
    else conditions?.(await Promise.all(tags.map((tag) => digestOfTag(layout, tag))));
    const absent = await missingContent(layout, document);
    if (absent.length > 0 && !sparse) throw lacksContent(absent);
    await quota.take(bytes.byteLength);
    const entering = layout.enter(descriptor, tags, (offset) => fromMemory(bytes, offset), {
      sparse,
      allow(entries) {
        if (tags.length > 0) conditions?.(tags.map((tag) => tagAmong(entries, tag, layout)));
      },
    });
    await entering.catch((error: unknown) => {
      throw isSlipwayError(error, 'LIMIT_EXCEEDED') ? tooManyNames() : error;
    });
    // Nobody can take away any more what was there when it was entered.
    return sparse ? await missingContent(layout, document) : [];
  });
  await respond(exchange, 201, {
    location: `/v2/${repository}/manifests/${digest}`,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    ...(document.subject === undefined ? {} : { 'oci-subject': document.subject.digest }),
    ...(wanted === undefined || tags.length === 0 ? {} : { 'oci-tag': tags }),
    ...(missing.length === 0 ? {} : { warning: sparseWarning(missing) }),
  });
}

/**
 * DELETE `/manifests/<reference>`: a tag goes alone, its siblings and the manifest stay; a digest
 * takes the manifest and all its tags. What an index holds stays.
 */
export async function deleteManifest(
  exchange: Exchange,
  { repository, reference }: Target,
  { repositories, manifests, sparse }: RegistryContext,
): Promise<void> {
  const digest = reference.includes(':') ? checkDigest(reference) : undefined;
  const isRemoved = await repositories.change(repository, async (layout) => {
    if (digest === undefined) {
      return isTag(reference) && (await layout.untag(reference, { keep: true })) !== undefined;
    }
    const links = await manifests.links(layout, digest);
    if (links === undefined) return false;
    for (const below of links.manifests) {
      const child = await manifests.describe(layout, below);
      if (child !== undefined) await keepChild(layout, child, sparse);
    }
    return await layout.removeManifest(digest);
  });
  if (isRemoved === undefined) throw unknownRepository();
  if (!isRemoved) throw unknownManifest();
  await respond(exchange, 202, {});
}

/** Where all content is asked for, a manifest whose content was deleted is no loss. */
async function keepChild(layout: Layout, descriptor: Descriptor, sparse: boolean): Promise<void> {
  try {
    await layout.keep(descriptor, { sparse });
  } catch (error) {
    if (!isSlipwayError(error, 'CONTENT_MISSING')) throw error;
  }
}

async function present(layout: Layout, digest: Digest): Promise<Digest | undefined> {
  return (await layout.blobSize(digest)) === undefined ? undefined : digest;
}

function checkTags(tags: readonly string[]): void {
  if (tags.length > MAX_TAGS) {
    throw new Refusal('MANIFEST_INVALID', `at most ${MAX_TAGS} tags are set at once`, {
      status: 414,
    });
  }
  if (!tags.every(isTag)) {
    throw new Refusal(
      'MANIFEST_INVALID',
      'not a tag: letters, digits, dots, dashes and underscores, at most 128',
    );
  }
}

/** The media type without its parameters, or undefined. */
function contentType(exchange: Exchange): string | undefined {
  const type = header(exchange, 'content-type')?.split(';')[0]?.trim();
  return type === undefined || type === '' ? undefined : type;
}

/**
 * What is served by digest says itself what it is, so that no two readers can disagree. Docker's
 * formats always do.
 */
function checkDeclaresItself(document: ManifestDocument, bytes: Uint8Array): void {
  if (parseManifest(bytes).mediaType === document.mediaType) return;
  throw new Refusal('MANIFEST_INVALID', 'the manifest has no mediaType field that says what it is');
}

/** What a manifest names and the repository lacks; other sizes than it names are refused. */
async function missingContent(
  layout: Layout,
  document: ManifestDocument,
): Promise<readonly Digest[]> {
  const missing: Digest[] = [];
  const wanted = new Map(childrenOf(document).map((child) => [child.digest, child]));
  for (const { digest, size, mediaType } of wanted.values()) {
    const found = await layout.blobSize(digest);
    if (found !== undefined && found !== size) {
      throw new Refusal(
        'MANIFEST_INVALID',
        `${digest} has ${found} bytes, the manifest says ${size}`,
      );
    }
    if (found === undefined && !isNonDistributable(mediaType)) missing.push(digest);
  }
  return missing;
}

function lacksContent(missing: readonly Digest[]): Refusal {
  return new Refusal('MANIFEST_BLOB_UNKNOWN', 'the repository lacks content of this manifest', {
    detail: { digests: missing.slice(0, MAX_NAMED), missing: missing.length },
  });
}

/** A `Warning` (distribution-spec, "Warnings"): code 299, no agent, at most 4096 bytes. */
function sparseWarning(missing: readonly Digest[]): string {
  const others = missing.length > 1 ? ` and ${missing.length - 1} more` : '';
  return `299 - "the repository lacks content of this manifest: ${missing[0]}${others}"`;
}

/** The names of a layout are one document, which has a longest size. */
function tooManyNames(): Refusal {
  return new Refusal('DENIED', 'this repository holds as many tags and manifests as it can', {
    status: 507,
  });
}

function unknownManifest(): Refusal {
  return new Refusal('MANIFEST_UNKNOWN', 'this repository has no such manifest');
}
