import { getCompileCacheDir } from 'node:module';
import { join } from 'node:path';
import type { runProcess } from '../src/cli/process.ts';
import { openChunks } from './chunks.ts';

/** Changes with any of the chunks. */
declare const SLIPWAY_BUILD: string;

// The first file of the bundled command. What each command needs is kept on its own, in the folder
// that Node's compile cache has for this V8 and its flags.
const word = process.argv.slice(2).find((arg) => !arg.startsWith('-')) ?? '';
const cache = /^[a-z]{1,16}$/.test(word) ? getCompileCacheDir() : undefined;
const chunks = openChunks(
  join(import.meta.dirname, 'cli'),
  cache === undefined ? undefined : join(cache, `slipway-${SLIPWAY_BUILD}-${word}`),
);
const entry = chunks.load('main.cjs/main.cjs') as { readonly runProcess: typeof runProcess };
void entry.runProcess(chunks);
