import { rename, writeFile } from 'node:fs/promises';
import { fileError } from '../bytes/stream.ts';
import type { PublishOutcome } from '../publish/publish.ts';
import type { Context } from './context.ts';

/** Options that say how results are told. */
export interface ResultFlags {
  readonly format?: 'text' | 'json';
  readonly digestfile?: string;
  readonly imageRefs?: string;
}

/** Prints and writes the results of a publication; throws its failure after that. */
export async function tellResults(
  context: Context,
  outcome: PublishOutcome,
  flags: ResultFlags,
): Promise<void> {
  const done = outcome.destinations.filter(({ status }) => status !== 'failed');
  const references = done.map(({ ref, digest }) => `${ref}@${digest}`);
  if (flags.format === 'json') {
    const { error, destinations } = outcome;
    const result = {
      destinations,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
    };
    context.output.out(`${JSON.stringify(result, null, 2)}\n`);
  } else if (outcome.error === undefined || outcome.error.code === 'PARTIAL') {
    for (const reference of references) context.output.out(`${reference}\n`);
  }
  if (outcome.error === undefined) {
    const digests = [...new Set(done.map(({ digest }) => `${digest}\n`))];
    if (flags.digestfile !== undefined) await write(flags.digestfile, digests.join(''));
    if (flags.imageRefs !== undefined) {
      await write(flags.imageRefs, references.map((reference) => `${reference}\n`).join(''));
    }
  }
  if (outcome.error !== undefined) throw outcome.error;
}

async function write(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, text);
    await rename(temporary, path);
  } catch (error) {
    throw fileError(path, error);
  }
}
