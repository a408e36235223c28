import { access, constants, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { withoutSecrets } from '../bytes/secrets.ts';
import { fileError } from '../bytes/stream.ts';
import type { PublishOutcome } from '../publish/publish.ts';
import type { Context } from './context.ts';
import { safeJson } from './output.ts';

/** Options that say how results are told. */
export interface ResultFlags {
  readonly format?: 'text' | 'json';
  /** standard output carries an archive: results go to standard error */
  readonly isArchiveOut?: boolean;
  readonly digestfile?: string;
  readonly imageRefs?: string;
}

/**
 * Makes sure that the files for results can be written, before anything is published.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`
 */
export async function checkResultFiles({
  digestfile,
  imageRefs,
  planOut,
}: ResultFlags & { readonly planOut?: string }): Promise<void> {
  for (const path of [digestfile, imageRefs, planOut]) {
    if (path === undefined) continue;
    const folder = dirname(path);
    await access(folder, constants.W_OK).catch((error: unknown) => {
      throw fileError(folder, error);
    });
  }
}

/** Prints and writes the results of a publication; throws its failure after that. */
export async function tellResults(
  context: Context,
  outcome: Omit<PublishOutcome, 'bytesRead'>,
  flags: ResultFlags,
): Promise<void> {
  // What came along with an image is told by --format json only.
  const done = outcome.destinations.filter(
    ({ status, subject }) =>
      subject === undefined && (status === 'published' || status === 'present'),
  );
  const { out, err } = context.output;
  const tell = flags.isArchiveOut === true ? err : out;
  const references = done.map(({ ref, digest }) => `${ref}@${digest}`);
  if (flags.format === 'json') {
    const { error, destinations } = outcome;
    const result = {
      destinations,
      ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
    };
    tell(`${safeJson(result, 2)}\n`);
  } else if (outcome.error === undefined || outcome.error.code === 'PARTIAL') {
    for (const reference of references) tell(`${reference}\n`);
  }
  if (outcome.error === undefined) {
    const digests = [...new Set(done.map(({ digest }) => `${digest}\n`))];
    if (flags.digestfile !== undefined) await writeResult(flags.digestfile, digests.join(''));
    if (flags.imageRefs !== undefined) {
      await writeResult(flags.imageRefs, references.map((reference) => `${reference}\n`).join(''));
    }
  }
  if (outcome.error !== undefined) throw outcome.error;
}

/** Writes a file whole or not at all. */
export async function writeResult(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, withoutSecrets(text));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(path, error);
  }
}
