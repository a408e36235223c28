import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { parseManifest } from '../oci/manifest.ts';
import { isManifestType, MEDIA_TYPE } from '../oci/mediatype.ts';
import type { RegistryContext } from './context.ts';
import { type Exchange, respondJson } from './exchange.ts';
import type { ManifestStore, StoredManifest } from './manifest-store.ts';
import { checkDigest, type Target } from './target.ts';

/** Clients accept no manifest, and so no list, that is longer than 4 MiB. */
const MAX_PAGE_BYTES = 3_500_000;

/**
 * GET `/referrers/<digest>` (distribution-spec, "Listing referrers"): an index of all manifests
 * with that subject. Nothing refers to what isn't there, so the answer is never 404.
 */
export async function getReferrers(
  exchange: Exchange,
  { repository, reference }: Target,
  { repositories, manifests: store }: RegistryContext,
): Promise<void> {
  const subject = checkDigest(reference);
  const wantedType = exchange.query.get('artifactType');
  const last = exchange.query.get('last') ?? '';
  const page: Descriptor[] = [];
  let pageBytes = 0;
  let isMore = false;
  const held = exchange.room.hold();
  try {
    await repositories.read(repository, async (layout) => {
      for (const digest of await referringTo(layout, store, subject)) {
        if (digest <= last) continue;
        const manifest = await store.read(layout, digest);
        if (manifest === undefined) continue;
        const descriptor = describeReferrer(manifest);
        if (wantedType !== null && wantedType !== descriptor.artifactType) continue;
        const bytes = JSON.stringify(descriptor).length;
        pageBytes += bytes;
        isMore = pageBytes > MAX_PAGE_BYTES && page.length > 0;
        if (isMore) break;
        held.take(bytes);
        page.push(descriptor);
      }
    });
  } finally {
    held.release();
  }
  const next = new URLSearchParams({
    ...(wantedType === null ? {} : { artifactType: wantedType }),
    last: page.at(-1)?.digest ?? '',
  });
  await respondJson(
    exchange,
    200,
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: page },
    {
      'content-type': MEDIA_TYPE.ociIndex,
      ...(wantedType === null ? {} : { 'oci-filters-applied': 'artifactType' }),
      ...(isMore ? { link: `</v2/${repository}/referrers/${subject}?${next}>; rel="next"` } : {}),
    },
  );
}

/** The manifests of a layout that have this subject, in the order of their digests. */
async function referringTo(
  layout: Layout,
  store: ManifestStore,
  subject: Digest,
): Promise<readonly Digest[]> {
  const seen = new Set<Digest>();
  const found: Digest[] = [];
  const entries = await layout.entries();
  const waiting = entries.filter(({ mediaType }) => isManifestType(mediaType));
  const open = waiting.map(({ digest }) => digest);
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (seen.has(digest)) continue;
    seen.add(digest);
    const links = await store.links(layout, digest);
    if (links === undefined) continue;
    if (links.subject === subject) found.push(digest);
    open.push(...links.manifests);
  }
  return found.sort();
}

function describeReferrer({ descriptor, bytes }: StoredManifest): Descriptor {
  const document = parseManifest(bytes);
  const artifactType =
    document.artifactType ?? (document.kind === 'manifest' ? document.config.mediaType : undefined);
  return {
    ...descriptor,
    ...(artifactType === undefined || artifactType === '' ? {} : { artifactType }),
    ...(document.annotations === undefined ? {} : { annotations: document.annotations }),
  };
}
