import { CONNECTIONS } from './connections.ts';
import { ODD_ANSWERS } from './odd-answers.ts';
import { PATIENCE } from './patience.ts';
import { ENDINGS_FOR_GOOD } from './refusals.ts';
import type { Row } from './row.ts';
import { SESSIONS } from './sessions.ts';
import { TOKENS } from './tokens.ts';

/** Everything that can go wrong between a client and a registry, and how it has to end. */
export const CATALOGUE: readonly Row[] = [
  ...CONNECTIONS,
  ...PATIENCE,
  ...TOKENS,
  ...SESSIONS,
  ...ODD_ANSWERS,
  ...ENDINGS_FOR_GOOD,
];
