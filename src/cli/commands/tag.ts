import type { Command } from 'commander';
import { fromMemory } from '../../bytes/stream.ts';
import { readManifest } from '../../content/graph.ts';
import { SlipwayError } from '../../errors.ts';
import { formatReference, parseReference } from '../../oci/reference.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { openImage } from '../open.ts';

/** `slipway tag SOURCE[:TAG] TARGET[:TAG]` */
export function command(cli: Cli): Command {
  return newCommand('tag', 'give a local image another name')
    .usage('SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]')
    .argument('<SOURCE>', 'a local image')
    .argument('<TARGET>', 'the new name; it moves if it names another image')
    .action(async (source: string, target: string) => {
      const from = parseReference(source);
      const to = parseReference(target);
      if (to.digest !== undefined) {
        throw new SlipwayError('USAGE', 'refusing to create a tag with a digest reference');
      }
      await run(cli, { quiet: true }, [], async (context) => {
        const graph = await openImage(context, { transport: 'store', reference: from });
        const { descriptor, bytes } = await readManifest(graph.source, await graph.root());
        const store = await context.store();
        const open = (offset: number) => fromMemory(bytes, offset);
        await store.tag(descriptor, formatReference(to), open, { signal: context.signal });
      });
    });
}
