import { large, slowly, tokenRunsOut } from './faults.ts';
import { BODY, MANIFEST, OPEN, type Row } from './row.ts';

/** Tokens that run out, and token services that fail. */
export const TOKENS: readonly Row[] = [
  { title: 'token good for 3 requests', tokens: { uses: 3 }, rules: () => [], ends: 'ok' },
  {
    title: 'token good for a second, and everything is slow',
    tokens: { lifeSeconds: 1 },
    rules: () => [{ ...OPEN, fault: slowly(400) }],
    ends: 'ok',
  },
  {
    title: 'token runs out without its life being told',
    tokens: { lifeSeconds: 1, saysSeconds: null },
    rules: () => [{ ...OPEN, fault: slowly(400) }],
    ends: 'ok',
  },
  {
    title: 'token runs out at the start of a blob',
    tokens: {},
    rules: () => [{ ...BODY, times: 1, fault: large(tokenRunsOut('before the body')) }],
    ends: 'ok',
  },
  {
    title: 'token runs out while a blob is sent: 401 after its last byte',
    tokens: {},
    rules: () => [{ ...BODY, times: 1, fault: large(tokenRunsOut('after the body')) }],
    ends: 'ok',
  },
  {
    title: 'token runs out before the manifest',
    tokens: {},
    rules: () => [{ ...MANIFEST, times: 1, fault: tokenRunsOut('after the body') }],
    ends: 'ok',
  },
  {
    title: 'token service grants the first scope only',
    tokens: { firstScopeOnly: true },
    rules: () => [],
    isMounted: true,
    ends: 'ok',
  },
  {
    title: 'a token for too little: 403 with insufficient_scope',
    tokens: { insufficientScope: true },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service’s clock is a year behind',
    tokens: { clockSkewSeconds: -365 * 86_400 },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service cuts the connection, 2×',
    tokens: { fails: { times: 2, how: 'cut' } },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service sends half an answer, once',
    tokens: { fails: { times: 1, how: 'half' } },
    rules: () => [],
    ends: 'ok',
  },
  {
    title: 'token service: 503, 2×',
    tokens: { fails: { times: 2, how: '503' } },
    rules: () => [],
    ends: 'ok',
  },
].map((row) => ({ mayNotStrike: true, ...row }) as Row);
