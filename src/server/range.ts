/** A part of content: first and last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Reads a `Range` header for content of `sizeBytes` (RFC 9110, 14.2). One range is served; a list
 * of them, another unit or what doesn't parse is ignored, as the RFC allows.
 *
 * @returns the range, `whole`, or `unsatisfiable`
 */
export function requestedRange(
  header: string | undefined,
  sizeBytes: number,
): ByteRange | 'whole' | 'unsatisfiable' {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header?.trim() ?? '');
  if (match === null) return 'whole';
  const [, from = '', to = ''] = match;
  if (from === '' && to === '') return 'whole';
  if (from === '') {
    const length = Math.min(Number(to), sizeBytes);
    return length === 0 ? 'unsatisfiable' : { first: sizeBytes - length, last: sizeBytes - 1 };
  }
  const first = Number(from);
  const last = to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  return first > last ? 'unsatisfiable' : { first, last };
}

/**
 * Reads the `Content-Range` of an upload's chunk (distribution-spec, "Pushing a blob in chunks"):
 * `0-99`; the HTTP forms `bytes 0-99` and `bytes 0-99/200` mean the same.
 */
export function chunkRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?([0-9]{1,15})-([0-9]{1,15})(?:\/(?:[0-9]{1,15}|\*))?$/.exec(
    header.trim(),
  );
  if (match === null) return undefined;
  const range = { first: Number(match[1]), last: Number(match[2]) };
  return range.last < range.first ? undefined : range;
}

/** The `Range` of an answer about an upload: what is held. An empty one is `0-0`, as everywhere. */
export function heldRange(sizeBytes: number): string {
  return `0-${Math.max(0, sizeBytes - 1)}`;
}
