import type { Graph } from '../content/graph.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { DestinationResult } from '../publish/publication.ts';
import type { Repository } from '../registry/repository.ts';
import type { Cli } from './command.ts';
import { run } from './command.ts';
import type { Context } from './context.ts';
import { parseLocation, parsePushReference } from './location.ts';
import { conditionOf, type PublishFlags } from './publish-flags.ts';
import { checkResultFiles, tellResults } from './publish-results.ts';
import { checkPlanFlags, publishOrPlan } from './publishing.ts';
import { hostsOfLocation } from './remote.ts';
import { verifyDestinations } from './verify-destinations.ts';

/** The index of a tag that a command makes or changes. */
export interface IndexPlace {
  readonly context: Context;
  readonly target: Repository;
  readonly tag: string;
}

/** What a change came to; all sizes in bytes. */
export interface ChangedIndex {
  readonly root: Descriptor;
  readonly bytesSent: number;
  readonly bytesMounted: number;
  readonly bytesPresent: number;
}

/** What a command does with an index. */
export interface IndexWork {
  /** where the pieces come from, as they were typed */
  readonly sources?: readonly string[];
  /** The index as it should be, from what is there now. */
  graph(place: IndexPlace): Promise<Graph>;
  /** Changes it beside others who change it at the same time; without it the graph is published. */
  change?(place: IndexPlace): Promise<ChangedIndex>;
}

/**
 * Publishes an index, or plans it. A plan and a condition stand for one state of the tag: then what
 * others change meanwhile is a reason to stop, else it is kept.
 */
export async function publishIndex(
  cli: Cli,
  dest: string,
  flags: PublishFlags,
  { graph, change, sources = [] }: IndexWork,
): Promise<void> {
  const reference = parsePushReference(dest);
  const { host, tag = 'latest' } = reference;
  const others = sources.flatMap((source) => hostsOfLocation(parseLocation(source)));
  await run(cli, flags, [...new Set([host, ...others])], async (context) => {
    const registries = await context.registries();
    registries.expect(reference);
    const target = registries.repository(reference);
    const place = { context, target, tag };
    const destinations = [{ target, names: [tag], host }];
    const isOneState =
      flags.dryRun === true || conditionOf(flags) !== undefined || cli.planned !== undefined;
    if (change === undefined || isOneState) {
      await publishOrPlan(cli, context, flags, async () => ({
        images: [{ graph: await graph(place), destinations }],
      }));
      return;
    }
    checkPlanFlags(flags);
    await checkResultFiles(flags);
    const startedAt = performance.now();
    const { root, ...bytes } = await change(place);
    const { digest, mediaType, size } = root;
    const result: DestinationResult = {
      ...{ ref: target.name, digest, mediaType, size, tags: [tag], status: 'published', ...bytes },
      requests: target.requests,
      durationMs: Math.round(performance.now() - startedAt),
    };
    const outcome = { destinations: [result] };
    if (flags.verify === true) {
      await verifyDestinations(context, [{ destinations }], outcome, flags.wait);
    }
    await tellResults(context, outcome, flags);
  });
}
