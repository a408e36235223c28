import { LONG } from '../rig/long.ts';
import { answer, gone, keepAnswer, large, reset, slowly, stall } from './faults.ts';
import { BODY, COMMIT, MANIFEST, OPEN, type Row } from './row.ts';

const MIB = 1024 * 1024;

/** Connections that are cut, stall, or are not there. */
export const CONNECTIONS: readonly Row[] = [
  { title: 'no fault', rules: () => [], ends: 'ok', sentAtMost: 1.01, mayNotStrike: true },
  ...[1, 3, 6].map(
    (times): Row => ({
      title: `connection reset in mid-blob, ${times}×`,
      rules: () => [{ ...BODY, times, fault: large(reset(5 * MIB)) }],
      ends: 'ok',
    }),
  ),
  ...[1, 50, 99].map(
    (percent): Row => ({
      title: `connection reset at ${percent} % of a blob, once`,
      rules: () => [
        { ...BODY, times: 1, fault: large(reset(Math.round((20 * MIB * percent) / 100))) },
      ],
      ends: 'ok',
    }),
  ),
  {
    title: 'connection reset before any byte of a body is read, 2×',
    rules: () => [{ ...BODY, times: 2, fault: large(reset(0)) }],
    ends: 'ok',
  },
  {
    title: '503 before the body was read, then a reset',
    rules: () => [{ ...BODY, times: 1, fault: large(answer(503, { early: true })) }],
    ends: 'ok',
  },
  {
    title: 'the opening request gets no answer, once',
    rules: () => [{ ...OPEN, times: 1, fault: stall('all') }],
    ends: 'ok',
  },
  {
    title: 'nobody reads a body, once',
    rules: () => [{ ...BODY, times: 1, fault: large(stall('nothing')) }],
    ends: 'ok',
  },
  {
    title: 'the commit of a blob gets no answer, once',
    rules: () => [{ ...COMMIT, times: 1, fault: keepAnswer() }],
    ends: 'ok',
  },
  {
    title: 'the manifest gets no answer, once',
    rules: () => [{ ...MANIFEST, times: 1, fault: keepAnswer() }],
    ends: 'ok',
  },
  {
    title: 'a body is read to its end and never answered nor kept, once',
    rules: () => [{ ...BODY, times: 1, fault: large(stall('all')) }],
    ends: 'ok',
  },
  {
    title: 'idle connections are closed without a word',
    rules: () => [],
    closesIdleAfterMs: 1,
    ends: 'ok',
    mayNotStrike: true,
  },
  {
    title: 'registry gone for 1.5 s in mid-blob',
    rules: () => [{ ...BODY, times: 1, fault: large(gone(1500, 5 * MIB)) }],
    ends: 'ok',
  },
  ...(LONG
    ? [
        {
          title: 'registry gone for 30 s in mid-blob',
          rules: () => [{ ...BODY, times: 1, fault: large(gone(30_000, 5 * MIB)) }],
          ends: 'ok',
        } as const,
        {
          title: 'the disk of the registry takes 90 s for a blob, once',
          rules: () => [{ ...COMMIT, times: 1, fault: large(slowly(90_000)) }],
          idleSeconds: 60,
          ends: 'ok',
          sentAtMost: 1.01,
        } as const,
      ]
    : []),
  {
    title: 'a name whose first address refuses',
    rules: () => [],
    hostname: 'localhost',
    ends: 'ok',
    mayNotStrike: true,
  },
  {
    title: 'answers come a second after the body',
    rules: () => [{ ...COMMIT, fault: slowly(1000) }],
    ends: 'ok',
    sentAtMost: 1.01,
  },
];
