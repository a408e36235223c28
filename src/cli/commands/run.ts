import type { Command } from 'commander';
import { Option } from 'commander';
import type { Engine } from '../../engine/client.ts';
import { findEngineImage } from '../../engine/images.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import { parsePlatform } from '../../oci/platform.ts';
import { familiarReference } from '../../oci/reference.ts';
import { bringImage } from '../../run/bring.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { addRegistryFlags } from '../flags.ts';
import { type Location, parseLocation } from '../location.ts';
import { openImage, openStored } from '../open.ts';
import {
  addContainerFlags,
  type ContainerFlags,
  checkStatus,
  containerSpec,
  runHere,
} from '../run-container.ts';

interface RunFlags extends RegistryFlags, ContainerFlags {
  readonly name?: string;
  readonly platform?: string;
  readonly pull?: 'missing' | 'never' | 'always';
}

/** `slipway run IMAGE [CMD…]` */
export function command(cli: Cli): Command {
  const command = newCommand('run', 'run a command of an image through a running engine')
    .usage('[options] IMAGE [COMMAND] [ARG...]')
    .argument('<IMAGE>', 'a local image, one of the engine, or any other image location')
    .argument('[COMMAND...]', "instead of the image's own")
    .passThroughOptions();
  addContainerFlags(command)
    .option('--name <NAME>', 'name of the container')
    .option('--platform <PLATFORM>', 'which image of an index')
    .addOption(
      new Option('--pull <WHEN>', 'get the image from its registry')
        .choices(['missing', 'never', 'always'])
        .default('missing'),
    );
  return addRegistryFlags(command).action(
    async (image: string, words: string[], flags: RunFlags) => {
      const location = parseLocation(image);
      const host = 'reference' in location ? [location.reference.host] : [];
      await run(cli, flags, host, (context) => runImage(context, location, words, flags));
    },
  );
}

async function runImage(
  context: Context,
  location: Location,
  command: readonly string[],
  flags: RunFlags,
): Promise<void> {
  const { signal, emit } = context;
  // What is wrong with the options is told before anything is fetched.
  const spec = await containerSpec('', command, flags);
  const engine = await context.engine();
  const image = await findOrBring(context, engine, location, flags);
  const isInteractive = flags.interactive === true;
  const status = await runHere(
    engine,
    {
      ...spec,
      image,
      ...(flags.name === undefined ? {} : { name: flags.name }),
      ...(flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform) }),
    },
    { isInteractive, emit, signal },
  );
  checkStatus(status);
}

/** The id of the image in the engine; what isn't there is taken there, from its registry at last. */
async function findOrBring(
  context: Context,
  engine: Engine,
  location: Location,
  flags: RunFlags,
): Promise<string> {
  const { signal, emit } = context;
  const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
  const bring = async (from: Location, name?: string): Promise<string> =>
    bringImage(engine, await openImage(context, from), { name, platform, emit, signal });
  if (location.transport === 'docker-daemon') {
    const { name } = location;
    const found = await findEngineImage(engine, name, { signal });
    if (found !== undefined) return found.id;
    throw new SlipwayError('NOT_FOUND', `${engine.name} has no image ${JSON.stringify(name)}`);
  }
  if (location.transport !== 'store') return await bring(location);
  const { reference } = location;
  const name = reference.digest === undefined ? familiarReference(reference) : undefined;
  if (flags.pull !== 'always') {
    try {
      const graph = await openStored(context, reference);
      return await bringImage(engine, graph, { name, platform, emit, signal });
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
      const found = await findEngineImage(engine, familiarReference(reference), { signal });
      if (found !== undefined) return found.id;
      if (flags.pull === 'never') throw error;
    }
  }
  return await bring({ transport: 'docker', reference }, name);
}
