import type { Value } from './document.ts';

const NANOSECONDS: Readonly<Record<string, number>> = {
  h: 3_600e9,
  m: 60e9,
  s: 1e9,
  ms: 1e6,
  us: 1e3,
  µs: 1e3,
  ns: 1,
};

/**
 * A length of time as Go writes it: `1m30s`, `500ms`.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function nanosecondsOf(value: Value): number {
  const text = value.text();
  if (text === '0') return 0;
  const part = /([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|s|us|µs|ns)/g;
  if (text === '' || text.replace(part, '') !== '') {
    throw value.wrong('is no length of time', 'write for example 30s or 1m30s');
  }
  const parts = [...text.matchAll(part)];
  const sum = parts.reduce(
    (all, [, n, unit = '']) => all + Number(n) * (NANOSECONDS[unit] ?? 0),
    0,
  );
  return Math.round(sum);
}
