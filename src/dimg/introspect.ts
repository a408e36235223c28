import { graphOf } from '../content/graph.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { bringImage } from '../run/bring.ts';
import type { ContainerSpec } from '../run/container.ts';
import type { ImageConfig } from './config.ts';
import { containerLabels } from './engine-leftovers.ts';
import type { LookedInto } from './introspection.ts';
import { withMounts } from './mounts.ts';
import { type DimgSession, dimgTitle } from './session.ts';
import { SHELL_ENTRYPOINT } from './shell.ts';
import { STAGE_NAMES } from './stages.ts';

/**
 * Checks that there are such stages.
 *
 * @throws SlipwayError `USAGE`
 */
export function checkLookedInto(stages: readonly LookedInto[]): void {
  for (const { when, stage } of stages) {
    if (!STAGE_NAMES.includes(stage)) {
      throw new SlipwayError('USAGE', `there is no stage ${JSON.stringify(stage.slice(0, 100))}`, {
        hint: `expected is one of ${STAGE_NAMES.join(', ')}`,
      });
    }
    if (when === 'before' && stage === STAGE_NAMES[0]) {
      throw new SlipwayError('USAGE', `nothing stands before the stage ${stage}`);
    }
  }
}

/** Lets a person look into an image at a stage, if they want to. */
export async function introspectStage(
  session: DimgSession,
  image: ImageConfig,
  when: 'before' | 'after',
  stage: string,
  root: Descriptor,
): Promise<void> {
  const { introspection, store, network, emit, signal } = session;
  const isWanted = introspection?.stages.some(
    (each) => each.kind === image.kind && each.when === when && each.stage === stage,
  );
  if (introspection === undefined || isWanted !== true) return;
  const engine = await session.engine();
  const labels = containerLabels(session.project);
  const what = `${dimgTitle(image)}: ${when} stage ${stage}`;
  const brought = await bringImage(engine, graphOf(store, root, what), { emit, signal });
  await withMounts(session, image, (volumes) =>
    introspection.open(what, shellSpec(brought, { volumes, network, labels })),
  );
}

/** A shell that sees what commands of stages see. */
export function shellSpec(
  image: string,
  {
    volumes,
    network,
    labels,
  }: Pick<ContainerSpec, 'volumes' | 'labels'> & { readonly network?: string | undefined },
): ContainerSpec {
  return {
    ...(volumes === undefined ? {} : { volumes }),
    ...(labels === undefined ? {} : { labels }),
    ...{ image, entrypoint: SHELL_ENTRYPOINT, command: [], tty: true },
    ...{ workingDir: '/', user: '0:0' },
    ...(network === undefined ? {} : { network }),
  };
}
