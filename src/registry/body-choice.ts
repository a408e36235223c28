import type { SlipwayError } from '../errors.ts';
import type { Traits } from './traits.ts';

/** How the bytes of a blob travel: in the committing PUT, in one PATCH, or in chunks. */
export type BodyChoice =
  | { readonly kind: 'whole' }
  | { readonly kind: 'stream' }
  | {
      readonly kind: 'chunks';
      readonly chunkBytes: number;
      /** towards the end each chunk is half of what is left, and at least so long */
      readonly lastBytes?: number;
    };

const MIB = 1024 * 1024;
/** What a killed run may lose. */
export const CHUNK_BYTES = 16 * MIB;
/**
 * What a registry next door gets at once: it puts a chunk on its disk before it answers, and does so
 * while others come in. With whole blobs all of that waits for the end, and with a large last chunk
 * some of it.
 */
const NEAR_CHUNK_BYTES = 64 * MIB;
const SMALLEST_CHUNK_BYTES = MIB;
/** Bodies of one blob that are cut before they are made smaller. */
const CUTS_OF_WHOLE = 3;

/** Chooses how a blob is sent, and another way when the registry doesn't take it so. */
export interface BodyChooser {
  readonly choice: BodyChoice;
  /** The body of `bodyBytes` was refused as too large (413). False if it can't be smaller. */
  tooLarge(bodyBytes: number): boolean;
  /** The connection was cut in a body of `bodyBytes`. */
  cut(bodyBytes: number): void;
  /** A session was lost, or its place in it was not accepted, in a body. */
  lost(error: SlipwayError | undefined): void;
  /** The registry holds more than before. */
  progressed(): void;
  /** The registry doesn't do chunks. */
  refusesChunks(): void;
}

/** How long the next body is where `leftBytes` are left. */
export function bodyBytes(choice: BodyChoice, leftBytes: number, minChunkBytes: number): number {
  if (choice.kind !== 'chunks') return leftBytes;
  const { chunkBytes, lastBytes = chunkBytes } = choice;
  const wanted = Math.min(chunkBytes, Math.max(lastBytes, Math.ceil(leftBytes / 2 / MIB) * MIB));
  return Math.min(leftBytes, Math.max(wanted, minChunkBytes));
}

/** Begins with what is known of the registry. */
export function chooseBody(sizeBytes: number, traits: Traits): BodyChooser {
  let choice = first(sizeBytes, traits);
  let cuts = 0;
  let losses = 0;
  const shrinkTo = (bytes: number): boolean => {
    if (traits.now.takesChunks === false) return false;
    choice = { kind: 'chunks', chunkBytes: Math.max(SMALLEST_CHUNK_BYTES, bytes) };
    return true;
  };
  return {
    get choice() {
      return choice;
    },
    tooLarge(bodyBytes) {
      if (bodyBytes <= SMALLEST_CHUNK_BYTES) return false;
      const half = Math.floor(bodyBytes / 2 / MIB) * MIB;
      if (!shrinkTo(Math.min(CHUNK_BYTES, half))) return false;
      traits.learn({ maxBodyBytes: Math.max(SMALLEST_CHUNK_BYTES, Math.min(CHUNK_BYTES, half)) });
      return true;
    },
    cut(bodyBytes) {
      if (++cuts < CUTS_OF_WHOLE || bodyBytes <= SMALLEST_CHUNK_BYTES) return;
      // A proxy that refuses a body often cuts before its answer is read: fewer bytes may go through.
      if (choice.kind !== 'chunks') {
        if (bodyBytes > CHUNK_BYTES) shrinkTo(CHUNK_BYTES);
      } else shrinkTo(Math.floor(choice.chunkBytes / 4));
    },
    lost(error) {
      if (++losses < 2) return;
      losses = 0;
      if (choice.kind === 'chunks') choice = { kind: 'whole' };
      // https://github.com/docker/buildx/issues/196: only PATCH brings bytes into a session there.
      else if (choice.kind === 'whole' && error?.facts.status === 404) choice = { kind: 'stream' };
      else choice = { kind: 'whole' };
    },
    progressed() {
      cuts = 0;
      losses = 0;
    },
    refusesChunks() {
      traits.learn({ takesChunks: false });
      choice = { kind: 'whole' };
    },
  };
}

function first(sizeBytes: number, traits: Traits): BodyChoice {
  const { takesChunks, keepsPartialUploads, maxBodyBytes } = traits.now;
  if (takesChunks === false) return { kind: 'whole' };
  if (maxBodyBytes !== undefined && sizeBytes > maxBodyBytes) {
    return { kind: 'chunks', chunkBytes: Math.min(CHUNK_BYTES, maxBodyBytes) };
  }
  if (sizeBytes > CHUNK_BYTES && keepsPartialUploads === true) {
    return { kind: 'chunks', chunkBytes: CHUNK_BYTES };
  }
  if (sizeBytes > NEAR_CHUNK_BYTES && traits.isNear) {
    return { kind: 'chunks', chunkBytes: NEAR_CHUNK_BYTES, lastBytes: CHUNK_BYTES };
  }
  return { kind: 'whole' };
}
