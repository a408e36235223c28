import type { Bytes } from '../bytes/stream.ts';
import { type Side, SlipwayError } from '../errors.ts';
import type { Open } from './transport.ts';

/** Does work at one end of a copy: a failure that doesn't say its side is of this one. */
export async function atSide<T>(side: Side, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw sided(error, side);
  }
}

/** Like {@link atSide}, for bytes that are read at the source. */
export function openAtSource(open: Open): Open {
  return async function* reading(offset: number): Bytes {
    try {
      yield* open(offset);
    } catch (error) {
      throw sided(error, 'source');
    }
  };
}

function sided(error: unknown, side: Side): unknown {
  return error instanceof SlipwayError ? error.with({ side }) : error;
}
