import { createLane } from '../bytes/lane.ts';
import { type Graph, graphOf, walk } from '../content/graph.ts';
import {
  canListReferrers,
  type Fetcher,
  type Signalled,
  type Source,
} from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';

/** Something that belongs to an image: a signature, an attestation, an SBOM. */
export interface Referrer {
  readonly graph: Graph;
  readonly root: Descriptor;
  /** the manifest that it belongs to */
  readonly subject: Digest;
  /** 1 for what belongs to the image, 2 for what belongs to that … */
  readonly depth: number;
  /** names by which tools find it: those of cosign; without any it is found by its subject */
  readonly names: readonly string[];
}

/** cosign's names for what belongs to a manifest (github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md). */
const COSIGN_SUFFIXES = ['sig', 'att', 'sbom'] as const;

const MAX_REFERRERS = 10_000;
const AT_ONCE = 8;

/**
 * Everything that belongs to an image, to the images below it, and to what belongs to these, each
 * digest once. What something belongs to stands before it, and so it may be published in this order.
 *
 * @param image where the image's manifests are read; its root may be derived from what `place` has
 * @throws SlipwayError `LIMIT_EXCEEDED` for more than 10,000
 */
export async function referrersOf(
  place: Source,
  image: { readonly source: Fetcher; readonly root: Descriptor },
  options: Signalled = {},
): Promise<readonly Referrer[]> {
  const found = new Map<Digest, Referrer>();
  const seen = new Set<Digest>();
  let waiting = await manifestsBelow(image.source, image.root, options);
  const lane = createLane(AT_ONCE);
  for (let depth = 1; waiting.length > 0; depth++) {
    const subjects = waiting.filter((digest) => !seen.has(digest));
    for (const digest of subjects) seen.add(digest);
    const level = await Promise.all(
      subjects.map((subject) =>
        lane.run(() => belongingTo(place, subject, depth, options), options.signal),
      ),
    );
    const below = new Set<Digest>();
    for (const referrer of level.flat()) {
      const known = found.get(referrer.root.digest);
      if (known !== undefined) {
        const names = [...new Set([...known.names, ...referrer.names])];
        found.set(referrer.root.digest, { ...known, names });
        continue;
      }
      if (found.size >= MAX_REFERRERS) throw tooMany(place);
      found.set(referrer.root.digest, referrer);
      for (const digest of await manifestsBelow(place, referrer.root, options)) below.add(digest);
    }
    waiting = [...below];
  }
  return [...found.values()];
}

async function manifestsBelow(
  source: Fetcher,
  root: Descriptor,
  options: Signalled,
): Promise<Digest[]> {
  const { manifests } = await walk(source, root, options);
  return manifests.map(({ descriptor }) => descriptor.digest);
}

async function belongingTo(
  place: Source,
  subject: Digest,
  depth: number,
  options: Signalled,
): Promise<readonly Referrer[]> {
  const refer = (root: Descriptor, names: readonly string[]): Referrer => {
    const { annotations: _, artifactType: __, ...bare } = root;
    return { graph: graphOf(place, bare, place.name), root: bare, subject, depth, names };
  };
  const listed = canListReferrers(place) ? await place.referrers(subject, options) : [];
  const found = listed.map((root) => refer(root, []));
  for (const suffix of COSIGN_SUFFIXES) {
    const name = `${digestAlgorithm(subject)}-${digestHex(subject)}.${suffix}`;
    try {
      found.push(refer(await place.resolve(name, options), [name]));
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    }
  }
  return found;
}

function tooMany(place: Source): SlipwayError {
  return new SlipwayError(
    'LIMIT_EXCEEDED',
    `more than ${MAX_REFERRERS} signatures, attestations and the like belong to this image`,
    { side: 'source', hint: `look at ${place.name}, or copy without --with-referrers` },
  );
}
