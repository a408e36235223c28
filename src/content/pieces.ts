import type { Digest } from '../oci/digest.ts';
import type { PushOutcome } from './transport.ts';

/** Pieces of content on their way to one place, each digest once whoever needs it. */
export interface Pieces<Owner extends object> {
  /**
   * Lets a piece be sent, if nobody did before, and waits for it.
   *
   * @returns how it came; `isOwn` is true for the owner that it was sent for, `isAgain` for one who
   * has asked for it before
   */
  want(
    owner: Owner,
    digest: Digest,
    send: (signal: AbortSignal) => Promise<PushOutcome>,
  ): Promise<{
    readonly outcome: PushOutcome;
    readonly isOwn: boolean;
    readonly isAgain: boolean;
  }>;
  /** An owner gave up: what nobody else needs is cut. */
  withdraw(owner: Owner, reason: unknown): void;
  /** Lets a piece be sent once more. */
  forget(digest: Digest): void;
}

interface Piece<Owner> {
  readonly sending: Promise<PushOutcome>;
  readonly stop: AbortController;
  readonly first: Owner;
  readonly owners: Set<Owner>;
}

/** Makes the pieces of a place; `signal` cuts them all. */
export function createPieces<Owner extends object>(signal: AbortSignal | undefined): Pieces<Owner> {
  const pieces = new Map<Digest, Piece<Owner>>();
  return {
    async want(owner, digest, send) {
      let piece = pieces.get(digest);
      if (piece === undefined) {
        const stop = new AbortController();
        const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
        piece = { sending: send(both), stop, first: owner, owners: new Set() };
        pieces.set(digest, piece);
      }
      const isAgain = piece.owners.has(owner);
      piece.owners.add(owner);
      return { outcome: await piece.sending, isOwn: piece.first === owner, isAgain };
    },
    withdraw(owner, reason) {
      for (const [digest, { owners, stop }] of pieces) {
        if (!owners.delete(owner) || owners.size > 0) continue;
        pieces.delete(digest);
        stop.abort(reason);
      }
    },
    forget: (digest) => void pieces.delete(digest),
  };
}
