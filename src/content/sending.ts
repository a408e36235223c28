import { createRing } from '../bytes/ring.ts';
import type { Throttle } from '../bytes/throttle.ts';
import { type Emit, type Piece, type SendReason, silent } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isManifestType } from '../oci/mediatype.ts';
import { type Graph, originOf, type PendingBlob } from './graph.ts';
import { laneFor, type TargetPlace } from './places.ts';
import type { SharedReads } from './shared-reads.ts';
import { atSide, openAtSource } from './side.ts';
import type { Survey } from './survey.ts';
import {
  canStream,
  type Open,
  type PushOutcome,
  type Signalled,
  type Target,
} from './transport.ts';

/** One image on its way to one place. */
export interface Shipment {
  readonly graph: Graph;
  readonly target: Target;
  /** the registry's host: what goes to one host shares its blobs by mounting */
  readonly host?: string;
  /** repositories of the target's registry that hold the image already, best first */
  readonly mountFrom?: readonly string[];
  /** tops of a smaller depth are put first; 0 if left out */
  readonly depth?: number;
  /** which blobs go now; with it no manifest above them can be put. All if left out */
  readonly wants?: (blob: Descriptor) => boolean;
}

/** A shipment and how far it is. */
export interface Item {
  readonly shipment: Shipment;
  readonly place: TargetPlace<Item>;
  readonly reads: SharedReads;
  readonly bytes: { sent: number; mounted: number; present: number };
  survey: Survey | undefined;
  isPlaced: boolean;
  error: unknown;
}

/** What moves single pieces of shipments. */
export interface Sending {
  transfer(
    item: Item,
    descriptor: Descriptor,
    reason: SendReason,
    push: (onProgress: (bytes: number) => void) => Promise<PushOutcome>,
  ): Promise<PushOutcome>;
  /** Lets a piece be sent once to its place; who finds it sent has it present. */
  once(
    item: Item,
    descriptor: Descriptor,
    send: (signal: AbortSignal) => Promise<PushOutcome>,
  ): Promise<void>;
  markPresent(item: Item, descriptor: Descriptor): Promise<void>;
  /** Sends a blob in the lane of its host; `force` without asking or mounting. */
  pushBlob(
    item: Item,
    descriptor: Descriptor,
    force: boolean,
    cut: AbortSignal,
  ): Promise<PushOutcome>;
  sendBlob(item: Item, descriptor: Descriptor): Promise<void>;
  /** Sends what is being made to the first place of the host that can take it as it comes. */
  stream(item: Item, pending: PendingBlob): Promise<void>;
}

/** Makes what moves the pieces of one run. */
export function createSending({
  signal,
  emit = silent,
  throttle,
}: Signalled & { readonly emit?: Emit; readonly throttle?: Throttle }): Sending {
  const slowed = (open: Open): Open =>
    throttle === undefined ? open : (offset) => throttle(open(offset), signal);

  const transfer = async (
    item: Item,
    descriptor: Descriptor,
    reason: SendReason,
    push: (onProgress: (bytes: number) => void) => Promise<PushOutcome>,
  ): Promise<PushOutcome> => {
    const piece = pieceOf(descriptor, item.shipment.target);
    const kind = isManifestType(descriptor.mediaType) ? 'manifest' : 'blob';
    emit({ type: 'transfer.start', kind, ...piece });
    const outcome = await atSide('destination', () =>
      push((bytes) => emit({ type: 'transfer.progress', bytes, ...piece })),
    );
    const why = outcome.status === 'uploaded' ? { reason } : {};
    emit({ type: 'transfer.done', kind, ...piece, ...outcome, ...why });
    return outcome;
  };

  const account = (item: Item, { size }: Descriptor, { status, bytesSent }: PushOutcome): void => {
    item.bytes.sent += bytesSent;
    if (status !== 'uploaded') item.bytes[status] += size;
  };

  const once = async (
    item: Item,
    descriptor: Descriptor,
    send: (signal: AbortSignal) => Promise<PushOutcome>,
  ): Promise<void> => {
    const { pieces } = item.place;
    const { outcome, isOwn, isAgain } = await pieces.want(item, descriptor.digest, send);
    // A layer that was sent while it was made is a blob of the finished image once more.
    if (!isAgain) account(item, descriptor, isOwn ? outcome : { status: 'present', bytesSent: 0 });
  };

  const markPresent = (item: Item, descriptor: Descriptor): Promise<void> =>
    once(item, descriptor, async () => {
      const piece = pieceOf(descriptor, item.shipment.target);
      emit({ type: 'transfer.done', kind: 'manifest', status: 'present', bytesSent: 0, ...piece });
      return { status: 'present', bytesSent: 0 };
    });

  const pushBlob = async (
    item: Item,
    descriptor: Descriptor,
    force: boolean,
    cut: AbortSignal,
  ): Promise<PushOutcome> => {
    const { place, shipment, reads } = item;
    const { digest, size } = descriptor;
    const { mountFrom, mountFirst } = force ? NO_MOUNT : await mountSources(item, descriptor);
    const roomOf = place.host.isRegistry ? createRing : undefined;
    const opener = reads.opener(descriptor, place.host.name, { signal: cut, roomOf });
    const open = slowed(openAtSource(opener));
    const reason = force ? 'lost' : mountFrom.length > 0 ? 'mount-refused' : 'absent';
    try {
      const outcome = await laneFor(place.host, size).run(
        () =>
          transfer(item, descriptor, reason, (onProgress) =>
            shipment.target.push(descriptor, open, {
              signal: cut,
              onProgress,
              mountFrom,
              mountFirst,
              ...(force ? { force } : {}),
            }),
          ),
        cut,
        place.host.isRegistry ? size : 0,
      );
      if (mountFirst && outcome.status !== 'mounted') place.host.grantsMounts = false;
      return outcome;
    } finally {
      reads.release(place.host.name, digest);
    }
  };

  const sendBlob = (item: Item, descriptor: Descriptor): Promise<void> =>
    once(item, descriptor, (cut) => {
      const pushing = pushBlob(item, descriptor, false, cut);
      const { place } = item;
      if (place.path !== undefined && !place.host.firsts.has(descriptor.digest)) {
        const arrived = pushing.then(
          () => true,
          () => false,
        );
        place.host.firsts.set(descriptor.digest, { path: place.path, arrived });
      }
      return pushing;
    });

  const stream = async (item: Item, pending: PendingBlob): Promise<void> => {
    const { target } = item.shipment;
    const { host } = item.place;
    const begun = host.streamed.get(pending);
    if (begun !== undefined && canStream(target)) {
      return await begun.catch(async () => {
        // What another repository refused goes here.
        if (host.streamed.get(pending) === begun) host.streamed.delete(pending);
        await stream(item, pending);
      });
    }
    const send = async () => {
      // Nothing more is compressed for who failed.
      if (item.error !== undefined) throw item.error;
      const made = pending.make();
      if (!canStream(target)) {
        await made;
        return;
      }
      // Whoever streams waits for it too; a failure must not count as unhandled until then.
      made.catch(() => {});
      const open = slowed(openAtSource((offset) => pending.open(offset, createRing())));
      const outcome = await atSide('destination', () =>
        target.pushStream(pending.digested(), open, { signal }),
      );
      const descriptor = await made;
      const sending = once(item, descriptor, () =>
        transfer(item, descriptor, 'absent', async () => outcome),
      );
      const { path } = item.place;
      if (path !== undefined && !host.firsts.has(descriptor.digest)) {
        host.firsts.set(descriptor.digest, { path, arrived: Promise.resolve(true) });
      }
      await sending;
    };
    const work = (async () => {
      // No place is taken while it is not its turn: those before it need one.
      await pending.ready?.();
      await host.streams.run(send, signal);
    })();
    host.streamed.set(pending, work);
    await work;
  };

  return { transfer, once, markPresent, pushBlob, sendBlob, stream };
}

interface MountSources {
  readonly mountFrom: readonly string[];
  readonly mountFirst: boolean;
}

const NO_MOUNT: MountSources = { mountFrom: [], mountFirst: false };

/** Repositories of the same registry that have a blob, or will have it in a moment. */
async function mountSources(item: Item, { digest }: Descriptor): Promise<MountSources> {
  const { place, shipment } = item;
  const from = originOf(shipment.graph, digest);
  if (shipment.mountFrom !== undefined) return { ...NO_MOUNT, mountFrom: shipment.mountFrom };
  if (place.path === undefined) return NO_MOUNT;
  if (from !== undefined && from.host === shipment.host) {
    return { ...NO_MOUNT, mountFrom: [from.path] };
  }
  const first = place.host.firsts.get(digest);
  if (first === undefined || first.path === place.path || !(await first.arrived)) return NO_MOUNT;
  return { mountFrom: [first.path], mountFirst: place.host.grantsMounts };
}

function pieceOf({ digest, mediaType, size }: Descriptor, target: Target): Piece {
  return { target: target.name, digest, mediaType, size };
}
