import { fromMemory } from '../bytes/stream.ts';
import type { Throttle } from '../bytes/throttle.ts';
import type { Emit } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { childrenOf } from '../oci/manifest.ts';
import { isManifestType } from '../oci/mediatype.ts';
import type { ManifestNode } from './graph.ts';
import { createPlaces, type TargetPlace } from './places.ts';
import { createSending, type Item, type Shipment } from './sending.ts';
import { createSharedReads } from './shared-reads.ts';
import { atSide } from './side.ts';
import { type Survey, surveyGraph } from './survey.ts';
import type { Signalled, Target } from './transport.ts';
import { missingBlobs } from './unknown-blobs.ts';

export interface DeliveryOptions extends Signalled {
  readonly emit?: Emit;
  /** also layers that their owner doesn't allow to be redistributed */
  readonly nonDistributable?: boolean;
  /** also the top manifests, by their digests */
  readonly tops?: boolean;
  /** slows what is sent down */
  readonly throttle?: Throttle;
  /** blobs on their way to one host at once; if left out, a few large and more small ones */
  readonly jobs?: number;
}

/** How a shipment came out. */
export interface Delivered {
  /** undefined if it failed before it was known */
  readonly survey: Survey | undefined;
  /** the top manifest is there under its digest */
  readonly isPlaced: boolean;
  readonly bytes: { readonly sent: number; readonly mounted: number; readonly present: number };
  readonly error: unknown;
}

/** What was delivered, and the way to put manifests above it. */
export interface Delivery {
  /** in the order of the shipments */
  readonly items: readonly Delivered[];
  /** bytes that were read from the sources; what was compressed on the way is not among them */
  readonly bytesRead: number;
  /**
   * Puts a manifest above what shipment `at` brought. If the registry lacks a blob that it said it
   * had, the blob is sent without asking, and the manifest once more.
   */
  mended<T>(at: number, node: ManifestNode, put: () => Promise<T>): Promise<T>;
}

/**
 * Brings images to places as one graph of work. On each host all blobs of all images come first,
 * largest first, then the manifests below the tops, then the tops. A digest goes once to each
 * repository, and is mounted in the other repositories of its host. Hosts work side by side, and
 * read each blob of a source once.
 *
 * A shipment that fails ends with its error and cuts what only it needed; the others go on.
 *
 * @throws the signal's reason if it is aborted; other failures are in the items
 */
export async function copyImages(
  shipments: readonly Shipment[],
  options: DeliveryOptions = {},
): Promise<Delivery> {
  const { signal } = options;
  const { transfer, once, markPresent, pushBlob, sendBlob, stream } = createSending(options);
  const placeOf = createPlaces<Item>(options.jobs, signal);
  const items = openItems(shipments, placeOf, signal);

  const fail = (item: Item, error: unknown): void => {
    if (item.error !== undefined) return;
    item.error = error;
    item.place.pieces.withdraw(item, error);
    item.reads.announce(item.place.host.name, new Set());
  };

  /** Does a step of an item; a failure ends the item, and is waited for. */
  const step = async (item: Item, works: readonly (() => Promise<void>)[]): Promise<void> => {
    if (item.error !== undefined) return;
    await Promise.all(works.map((work) => work().catch((error: unknown) => fail(item, error))));
  };

  const putManifest = (item: Item, at: number, node: ManifestNode): Promise<void> =>
    once(item, node.descriptor, async (cut) => {
      const { target } = item.shipment;
      const open = (offset: number) => fromMemory(node.bytes, offset);
      return await mended(at, node, () =>
        transfer(item, node.descriptor, 'absent', () =>
          target.push(node.descriptor, open, { signal: cut }),
        ),
      );
    });

  const mended = async <T>(at: number, node: ManifestNode, put: () => Promise<T>): Promise<T> => {
    try {
      return await put();
    } catch (error) {
      signal?.throwIfAborted();
      const item = items[at] as Item;
      const blobs = childrenOf(node.document).filter((child) => !isManifestType(child.mediaType));
      const lost = missingBlobs(error, blobs);
      if (lost.length === 0) throw error;
      const resent = await Promise.all(
        lost.map((blob) => pushBlob(item, blob, true, signal ?? new AbortController().signal)),
      );
      for (const { bytesSent } of resent) item.bytes.sent += bytesSent;
      return await put();
    }
  };

  const survey = async (item: Item): Promise<void> => {
    const { target, graph, wants } = item.shipment;
    const exists = (descriptor: Descriptor): Promise<boolean> =>
      atSide('destination', () => target.exists(descriptor, { signal }));
    const found = await surveyGraph(graph, exists, { ...options, wants });
    item.survey = found;
    item.isPlaced = found.isPresent;
    const same = items.filter(
      (other) => other.reads === item.reads && other.place.host === item.place.host,
    );
    if (same.every((other) => other.survey !== undefined || other.error !== undefined)) {
      const digests = same
        .flatMap((other) => other.survey?.blobs ?? [])
        .map(({ digest }) => digest);
      item.reads.announce(item.place.host.name, new Set(digests));
    }
    if (found.isPresent) await markPresent(item, found.root.descriptor);
    for (const descriptor of found.present) await markPresent(item, descriptor);
  };

  const bringBlobs = async (item: Item): Promise<void> => {
    await step(
      item,
      item.shipment.graph.pending.map((pending) => () => stream(item, pending)),
    );
    await step(item, [() => survey(item)]);
    const blobs = [...(item.survey?.blobs ?? [])];
    if (item.place.host.isRegistry) blobs.sort((a, b) => b.size - a.size);
    await step(
      item,
      blobs.map((blob) => () => sendBlob(item, blob)),
    );
  };

  const bringManifests = async (item: Item): Promise<void> => {
    const at = items.indexOf(item);
    for (const node of item.survey?.manifests ?? []) {
      await step(item, [() => putManifest(item, at, node)]);
    }
  };

  const bringTop = async (item: Item): Promise<void> => {
    const { survey: found } = item;
    if (options.tops !== true || found === undefined || item.isPlaced) return;
    await step(item, [
      async () => {
        await putManifest(item, items.indexOf(item), found.root);
        item.isPlaced = true;
      },
    ]);
  };

  const hosts = Map.groupBy(items, ({ place }) => place.host);
  await Promise.all(
    [...hosts].map(async ([{ isRegistry }, own]) => {
      for (const bring of [bringBlobs, bringManifests, bringTop]) {
        // A file or folder gets its images in their order: an archive comes out the same each time.
        if (!isRegistry) for (const item of own) await bring(item);
        else if (bring !== bringTop) await Promise.all(own.map(bring));
        else for (const same of byDepth(own)) await Promise.all(same.map(bring));
      }
    }),
  );
  signal?.throwIfAborted();
  const all = new Set(items.map(({ reads }) => reads));
  return {
    items,
    mended,
    get bytesRead() {
      return [...all].reduce((sum, { bytesRead }) => sum + bytesRead, 0);
    },
  };
}

/** Some registries refuse what belongs to a manifest that isn't there yet (GitLab does). */
function byDepth(items: readonly Item[]): readonly (readonly Item[])[] {
  const groups = Map.groupBy(items, ({ shipment }) => shipment.depth ?? 0);
  return [...groups].sort(([a], [b]) => a - b).map(([, same]) => same);
}

function openItems(
  shipments: readonly Shipment[],
  placeOf: (target: Target, host: string | undefined, owner: Item) => TargetPlace<Item>,
  signal: AbortSignal | undefined,
): Item[] {
  const items = shipments.map((shipment) => {
    const item = {
      shipment,
      bytes: { sent: 0, mounted: 0, present: 0 },
      survey: undefined,
      isPlaced: false,
      error: undefined,
    } as Omit<Item, 'place' | 'reads'>;
    return Object.assign(item, {
      place: placeOf(shipment.target, shipment.host, item as Item),
    }) as Item;
  });
  for (const [source, own] of Map.groupBy(items, ({ shipment }) => shipment.graph.source)) {
    const hosts = new Set(own.map(({ place }) => place.host.name));
    const reads = createSharedReads(source, hosts, { signal });
    for (const item of own) Object.assign(item, { reads });
  }
  return items;
}
