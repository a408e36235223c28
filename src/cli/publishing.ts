import { collect, readFileBytes } from '../bytes/stream.ts';
import { createThrottle } from '../bytes/throttle.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Condition } from '../publish/conditions.ts';
import { type Plan, planPublication } from '../publish/plan.ts';
import {
  checkPlan,
  encodePlan,
  MAX_PLAN_BYTES,
  type PlanFile,
  parsePlan,
  plannedTags,
} from '../publish/plan-file.ts';
import type { PublishedImage } from '../publish/publication.ts';
import { publish } from '../publish/publish.ts';
import { createMovedTags } from '../state/moved-tags.ts';
import type { Cli } from './command.ts';
import type { Context } from './context.ts';
import { showPlan } from './plan-table.ts';
import { conditionOf, type PublishFlags } from './publish-flags.ts';
import { checkResultFiles, tellResults, writeResult } from './publish-results.ts';
import { verifyDestinations } from './verify-destinations.ts';

/** Images that a command publishes, and what makes their places final. */
export interface Publishing {
  readonly images: readonly PublishedImage[];
  /** what tags must be before they are moved, if the user said nothing else */
  readonly condition?: Condition;
  finish?(): Promise<void>;
}

/** Publishes what `open` gives, or plans it. */
export async function publishOrPlan(
  cli: Cli,
  context: Context,
  flags: PublishFlags,
  open: () => Promise<Publishing>,
): Promise<void> {
  checkPlanFlags(flags);
  await checkResultFiles(flags);
  const { signal, emit } = context;
  const nonDistributable = flags.allowNondistributableArtifacts === true;
  if (flags.dryRun === true) {
    const { images } = await open();
    const plan = await planPublication(
      { images },
      { signal, emit, nonDistributable, resolve: flags.resolve === true, ...withCondition(flags) },
    );
    if (flags.planOut !== undefined) {
      await writeResult(flags.planOut, encodePlan({ command: plannedCommand(cli.args), plan }));
    }
    showPlan(context.output, plan, flags.format);
    return;
  }
  const planned = cli.planned?.plan;
  const publishing = planned === undefined ? await open() : await stillThere(open);
  const { images } = publishing;
  if (planned !== undefined) {
    checkPlan(
      planned,
      await stillThere(() => planPublication({ images }, { signal, emit, nonDistributable })),
    );
  }
  const { limitRate, require, jobs } = flags;
  const outcome = await publish(
    { images },
    {
      signal,
      emit,
      nonDistributable,
      movedTags: createMovedTags(await context.hints()),
      ...(publishing.condition === undefined ? {} : { condition: publishing.condition }),
      ...withCondition(flags, planned),
      ...(require === undefined ? {} : { require }),
      ...(jobs === undefined ? {} : { jobs }),
      ...(limitRate === undefined ? {} : { throttle: createThrottle(limitRate) }),
    },
  );
  if (outcome.error === undefined) {
    await publishing.finish?.();
    if (flags.verify === true) await verifyDestinations(context, images, outcome, flags.wait);
  }
  await tellResults(context, outcome, flags);
}

/** @throws SlipwayError `USAGE` */
export function checkPlanFlags(flags: PublishFlags): void {
  if (flags.dryRun === true || (flags.planOut === undefined && flags.resolve !== true)) return;
  throw new SlipwayError('USAGE', '--plan-out and --resolve go with --dry-run', {
    hint: 'slipway plan push … is the same as slipway push --dry-run …',
  });
}

function withCondition(flags: PublishFlags, planned?: Plan) {
  const condition = planned === undefined ? conditionOf(flags) : plannedTags(planned);
  return condition === undefined ? {} : { condition };
}

/** What a plan needs and isn't there any more is a plan that can't be applied. */
async function stillThere<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isSlipwayError(error, 'NOT_FOUND', 'FILE_NOT_FOUND', 'CONTENT_MISSING')) throw error;
    throw new SlipwayError('CONDITION_FAILED', `the plan no longer fits: ${error.message}`, {
      ...error.facts,
      hint: 'nothing was sent; make a new plan',
    });
  }
}

const OF_PLANNING = ['--dry-run', '--resolve'];
/** A plan is a file for others to read: what it is applied with is said then. */
const OF_PLANNING_WITH_VALUE = ['--plan-out', '--format', '--creds'];

/** The command line without what made it a plan. */
function plannedCommand(args: readonly string[]): readonly string[] {
  const end = args.indexOf('--');
  const isOption = (at: number): boolean => end < 0 || at < end;
  return args.filter((arg, at) => {
    if (!isOption(at)) return true;
    const isValue = at > 0 && OF_PLANNING_WITH_VALUE.includes(args[at - 1] ?? '');
    const [name = ''] = arg.split('=');
    return !isValue && !OF_PLANNING.includes(arg) && !OF_PLANNING_WITH_VALUE.includes(name);
  });
}

/**
 * Reads a plan of `--plan-out`.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID`
 */
export async function readPlan(path: string): Promise<PlanFile> {
  return parsePlan(await collect(readFileBytes(path), MAX_PLAN_BYTES, path));
}
