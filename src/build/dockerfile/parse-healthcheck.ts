import { readFlags } from './flags.ts';
import type { HealthCheck } from './instruction.ts';
import { type JoinedText, partOf, quoted, syntaxError, type Where } from './text.ts';
import { type Flag, jsonList, trimmed } from './words.ts';

const TIMES = ['interval', 'timeout', 'start-period', 'start-interval'];
const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
const SHORTEST = 1e6;

/** Parses the rest of a HEALTHCHECK. */
export function parseHealthCheck(
  rest: JoinedText,
  given: readonly Flag[],
): { readonly check: HealthCheck } {
  const flags = readFlags('HEALTHCHECK', given, [...TIMES, 'retries']);
  const where = rest.at(0);
  const kind = (/^\S+/.exec(rest.text)?.[0] ?? '').toUpperCase();
  const command = trimmed(partOf(rest, kind.length));
  if (kind === 'NONE') {
    if (command.text !== '' || given.length > 0) {
      throw syntaxError(where, 'HEALTHCHECK NONE takes nothing else');
    }
    return { check: { Test: ['NONE'] } };
  }
  if (kind !== 'CMD') throw syntaxError(where, 'HEALTHCHECK takes CMD or NONE');
  if (command.text === '') throw syntaxError(where, 'HEALTHCHECK CMD needs a command');
  const words = jsonList(command);
  const time = (name: string): number => {
    const flag = flags.flag(name);
    return flag === undefined ? 0 : duration(flag.value ?? '', flag.where);
  };
  const [Interval, Timeout, StartPeriod, StartInterval] = TIMES.map(time);
  const Retries = retries(flags.flag('retries'));
  return {
    check: {
      Test: words === undefined ? ['CMD-SHELL', command.text] : ['CMD', ...words],
      ...(Interval ? { Interval } : {}),
      ...(Timeout ? { Timeout } : {}),
      ...(StartPeriod ? { StartPeriod } : {}),
      ...(StartInterval ? { StartInterval } : {}),
      ...(Retries ? { Retries } : {}),
    },
  };
}

/** Go's durations (`1m30s`), in nanoseconds. */
function duration(text: string, where: Where): number {
  let total = 0;
  const parts = text.match(/[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h)/g) ?? [];
  if (text !== '0' && (parts.length === 0 || parts.join('') !== text)) {
    throw syntaxError(where, `${quoted(text)} is no duration`, 'write 30s, 1m30s or 500ms');
  }
  for (const part of parts) {
    const [, number = '', unit = ''] = /^([0-9.]+)(.+)$/.exec(part) ?? [];
    total += Number(number) * (NANOSECONDS[unit] ?? 0);
  }
  const rounded = Math.round(total);
  if (!Number.isSafeInteger(rounded) || (rounded !== 0 && rounded < SHORTEST)) {
    throw syntaxError(where, `${quoted(text)} is too short or too long`, 'the shortest is 1ms');
  }
  return rounded;
}

function retries(flag: Flag | undefined): number {
  if (flag === undefined) return 0;
  if (!/^[0-9]{1,9}$/.test(flag.value ?? '')) {
    throw syntaxError(flag.where, '--retries takes a number');
  }
  return Number(flag.value);
}
