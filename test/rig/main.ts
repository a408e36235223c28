import path from 'node:path';

/**
 * The command that tests start: the built one, which `SLIPWAY_TEST_PROGRAM` names (`npm run
 * test:run` does), or the sources, which are always as new as the tests and start more slowly.
 */
export const MAIN = path.resolve(
  import.meta.dirname,
  '../..',
  process.env.SLIPWAY_TEST_PROGRAM ?? 'src/cli/main.ts',
);
