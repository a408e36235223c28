/**
 * How many bytes an upload session holds by its `Range` header (distribution-spec, "Pushing a blob
 * in chunks"): `0-9` or `bytes=0-9` means ten.
 *
 * `0-0` is what distribution says of an empty session and also of one byte; it is read as empty,
 * for one byte too few costs one byte. Undefined if the header is missing or isn't a range from 0.
 */
export function bytesHeld(range: string | undefined): number | undefined {
  const match = /^(?:bytes[= ])?0-(-?[0-9]{1,15})$/.exec(range?.trim() ?? '');
  if (match === null) return undefined;
  const last = Number(match[1]);
  return last <= 0 ? 0 : last + 1;
}

/** Parses `Content-Range: bytes 10-99/100` of a partial answer; undefined if it isn't one. */
export function contentRangeStart(header: string | undefined): number | undefined {
  const match = /^bytes ([0-9]{1,15})-[0-9]{1,15}\/(?:[0-9]{1,15}|\*)$/.exec(header?.trim() ?? '');
  return match === null ? undefined : Number(match[1]);
}
