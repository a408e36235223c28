import type { Command } from 'commander';
import { SlipwayError } from '../../errors.ts';
import { formatReference, parseReference } from '../../oci/reference.ts';
import { publish } from '../../publish/publish.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { openImage } from '../open.ts';

/** `slipway tag SOURCE[:TAG] TARGET[:TAG]` */
export function command(cli: Cli): Command {
  return newCommand('tag', 'give a local image another name')
    .usage('SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]')
    .argument('<SOURCE>', 'a local image, or one of a running engine')
    .argument('<TARGET>', 'the new name; it moves if it names another image')
    .action(async (source: string, target: string) => {
      const from = parseReference(source);
      const to = parseReference(target);
      if (to.digest !== undefined) {
        throw new SlipwayError('USAGE', 'refusing to create a tag with a digest reference');
      }
      await run(cli, { quiet: true }, [], async (context) => {
        const graph = await openImage(context, { transport: 'store', reference: from });
        const target = await context.store();
        const destination = { target, names: [formatReference(to)] };
        const { signal, emit } = context;
        // What is in the store is there already; what is in an engine only comes along.
        const { error } = await publish(
          { images: [{ graph, destinations: [destination] }] },
          { signal, emit, nonDistributable: true },
        );
        if (error !== undefined) throw error;
      });
    });
}
