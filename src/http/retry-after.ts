/**
 * The wait that a `Retry-After` header asks for, in milliseconds from `nowMs`: seconds or a date
 * (RFC 9110, 10.2.3). Undefined if it is missing or neither.
 */
export function retryAfterMs(header: string | undefined, nowMs = Date.now()): number | undefined {
  const text = header?.trim() ?? '';
  if (/^[0-9]{1,9}$/.test(text)) return Number(text) * 1000;
  // Only real HTTP dates: Date.parse alone also takes "-1" and other odd texts for dates.
  if (!/^[A-Za-z]{3,9},? /.test(text)) return undefined;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
