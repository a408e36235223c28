import type { Command } from 'commander';
import { formatReference, parseReference } from '../../oci/reference.ts';
import type { PublishedImage } from '../../publish/publication.ts';
import { publish } from '../../publish/publish.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { RegistryFlags } from '../context.ts';
import { addRegistryFlags, collectList } from '../flags.ts';
import { derive, openImage } from '../open.ts';
import { tellResults } from '../publish-results.ts';
import { hostsOf } from './push.ts';

interface PullFlags extends RegistryFlags {
  readonly platform?: readonly string[];
  readonly allPlatforms?: boolean;
}

/** `slipway pull REF…` */
export function command(cli: Cli): Command {
  const pull = newCommand('pull', 'get images from registries into the local store')
    .usage('[options] REF [REF...]')
    .argument('<REF...>', 'HOST/PATH[:TAG|@DIGEST]')
    .option('--platform <LIST>', 'only these platforms of an index', collectList)
    .option('--all-platforms', 'the image as it is there, whatever --platform says');
  return addRegistryFlags(pull).action(async (refs: string[], flags: PullFlags) => {
    const references = refs.map((text) => parseReference(text.replace(/^docker:\/\//, '')));
    await run(cli, flags, hostsOf(references), async (context) => {
      const store = await context.store();
      const images: PublishedImage[] = [];
      for (const reference of references) {
        const graph = await openImage(context, { transport: 'docker', reference });
        images.push({
          graph: await derive(context, graph, { ...flags, compression: 'keep' }),
          destinations: [{ target: store, names: [formatReference(reference)] }],
        });
      }
      const { signal, emit } = context;
      const outcome = await publish({ images }, { signal, emit, nonDistributable: true });
      const named = outcome.destinations.map((result, at) => ({
        ...result,
        ref: `${references[at]?.host}/${references[at]?.path}`,
      }));
      await tellResults(context, { ...outcome, destinations: named }, {});
    });
  });
}
