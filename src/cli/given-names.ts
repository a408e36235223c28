import type { Command } from 'commander';
import { keepName } from '../bytes/secrets.ts';
import { isSlipwayError } from '../errors.ts';
import { formatRepository, isHost, parseReference } from '../oci/reference.ts';

/**
 * Remembers the images that a command line names, so that results say their names whole even where
 * a password is a word of them. What isn't the name of an image is left out: it may hold a login.
 */
export function keepGivenNames(command: Command): void {
  const { tag = [] } = command.opts<{ tag?: unknown }>();
  for (const text of [...command.args, ...[tag].flat()]) {
    if (typeof text === 'string') keepReference(text.replace(/^docker:\/\//, ''));
  }
}

function keepReference(text: string): void {
  if (isHost(text)) keepName(text);
  try {
    const { host, path } = parseReference(text);
    keepName(host, path, formatRepository({ host, path }));
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
  }
}
