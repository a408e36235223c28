import type { Graph } from '../content/graph.ts';
import { SlipwayError } from '../errors.ts';
import { formatReference } from '../oci/reference.ts';
import { bringImage } from '../run/bring.ts';
import type { Spoken } from '../run/frames.ts';
import { runContainer } from '../run/run.ts';
import { findArchitecture } from './architectures.ts';
import type { Call } from './call.ts';

const LIMIT_BYTES = 1024 * 1024;

/** A command that runs in the image of an architecture. */
export interface Command {
  readonly architecture: string;
  readonly image: Graph;
  /** a text is run by a shell */
  readonly command: string | readonly string[];
  readonly interpreter: string;
}

/**
 * Runs a command in an image to its end. It gets what was set beside our own variables.
 *
 * @throws SlipwayError `NO_ENGINE`, `COMMAND_FAILED`
 */
export async function runInImage(
  { site, variables, names }: Pick<Call, 'site' | 'variables' | 'names'>,
  { architecture, image, command, interpreter }: Command,
  say: (spoken: Spoken) => Promise<void> | void,
): Promise<void> {
  const { signal, emit } = site;
  const engine = await site.engine();
  const known = findArchitecture(architecture)?.platform;
  const platform = known === undefined ? {} : { platform: known };
  const name = formatReference(names.image(architecture, '').image.reference);
  const id = await bringImage(engine, image, { name, ...platform, emit, signal });
  const isText = typeof command === 'string';
  const status = await runContainer(
    engine,
    {
      image: id,
      entrypoint: isText ? [interpreter] : [command[0] ?? ''],
      command: isText ? ['-ec', command] : command.slice(1),
      env: [...variables.extra].map(([key, value]) => `${key}=${value}`),
      ...platform,
    },
    { say },
    { signal },
  );
  if (status === 0) return;
  throw new SlipwayError('COMMAND_FAILED', `the command ended with status ${status}`);
}

/** Collects what a command says, on both of its streams. */
export function listener(): { say(spoken: Spoken): void; text(): string } {
  const chunks: Buffer[] = [];
  let size = 0;
  return {
    say({ bytes }) {
      size += bytes.byteLength;
      if (size > LIMIT_BYTES) {
        throw new SlipwayError('LIMIT_EXCEEDED', `a command said more than ${LIMIT_BYTES} bytes`);
      }
      chunks.push(Buffer.from(bytes));
    },
    text: () => Buffer.concat(chunks).toString(),
  };
}
