import { SlipwayError } from '../../errors.ts';
import type { Clock } from './build-run.ts';

/** 9999-12-31: what dates in documents can say. */
const LAST_SECOND = 253_402_300_799;

/**
 * Dates of a build. Without a word all is of 1970, so that content alone decides the digest; a number
 * (SOURCE_DATE_EPOCH) dates the image, and files that are younger; `keep` leaves files as they are.
 *
 * @throws SlipwayError `USAGE` for a SOURCE_DATE_EPOCH that is no time
 */
export function clockOf(timestamps: 'keep' | number | undefined, argument?: string): Clock {
  if (timestamps === 'keep') {
    const now = new Date();
    return {
      nowSeconds: Math.floor(now.getTime() / 1000),
      ofFile: Math.floor,
      created: now.toISOString(),
    };
  }
  const given = timestamps ?? (argument === undefined ? undefined : secondsOf(argument));
  const epoch = given ?? 0;
  return {
    nowSeconds: epoch,
    ofFile: (seconds) => (given === undefined ? 0 : Math.min(Math.floor(seconds), epoch)),
    created: new Date(epoch * 1000).toISOString().replace('.000Z', 'Z'),
  };
}

function secondsOf(text: string): number {
  const seconds = /^[0-9]{1,12}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= LAST_SECOND) return seconds;
  throw new SlipwayError('USAGE', 'SOURCE_DATE_EPOCH is no time in seconds since 1970');
}
