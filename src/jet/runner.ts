import { createLane, type Lane } from '../bytes/lane.ts';
import type { Value } from './document.ts';
import { type Filter, whySkipped } from './filter.ts';
import type { PushFailure } from './push.ts';
import type { FailureCommand, PushStep, RunStep, Step } from './step.ts';
import type { Tools } from './tools.ts';

/** What the runner lets others do. */
export interface Actions {
  /** Runs a command of a service to its end; fails if it does. */
  runCommand(
    step: { readonly name: string; readonly service: string; readonly where: Value },
    command: readonly string[],
  ): Promise<void>;
  pushAll(steps: readonly PushStep[]): Promise<PushFailure | undefined>;
  /** Called once a manual step is approved. */
  approve(): void;
}

export interface RunnerOptions {
  readonly tools: Tools;
  readonly actions: Actions;
  /** branch or git tag that filters are compared with */
  readonly branch: string | undefined;
  /** `--push` was given */
  readonly isPushing: boolean;
  /** somebody has approved the manual steps already */
  readonly isApproved: boolean;
  /** commands that run at once, at most */
  readonly atOnce: number;
}

/** How a pipeline ended: the first failure, or where it waits. */
export interface PipelineEnd {
  readonly failure?: { readonly step: Step; readonly error: unknown };
  /** the manual step that nobody has approved */
  readonly waitsFor?: Step;
}

interface Running extends RunnerOptions {
  readonly lane: Lane;
  end: PipelineEnd;
}

/**
 * Runs steps in their order. The first failure stops what has not begun; members of a group that
 * run already end by themselves.
 */
export async function runSteps(
  steps: readonly Step[],
  options: RunnerOptions,
): Promise<PipelineEnd> {
  const running: Running = { ...options, lane: createLane(options.atOnce), end: {} };
  await inOrder(steps, running);
  return running.end;
}

function isOver({ end, tools }: Running): boolean {
  return tools.signal.aborted || end.failure !== undefined || end.waitsFor !== undefined;
}

/** Push steps that stand in a row are one release. */
async function inOrder(steps: readonly Step[], running: Running): Promise<void> {
  let pushes: PushStep[] = [];
  for (const step of steps) {
    if (isOver(running)) return;
    const onlyPushes = pushesOf(step, running);
    if (onlyPushes !== undefined) {
      pushes.push(...onlyPushes);
      continue;
    }
    await push(pushes, running);
    pushes = [];
    if (isOver(running)) return;
    await one(step, running);
  }
  if (!isOver(running)) await push(pushes, running);
}

async function one(step: Step, running: Running): Promise<void> {
  const { tools } = running;
  if (isSkipped(step, running)) return;
  if (step.kind === 'run') return await run(step, running);
  if (step.kind === 'push') return await push([step], running);
  if (step.kind === 'manual') {
    if (!(await isApproved(step, running))) return;
    running.actions.approve();
    return await inOrder(step.steps, running);
  }
  tools.say(`(step: ${step.name}) ${step.order} group of ${step.steps.length}`);
  if (step.order === 'serial') return await inOrder(step.steps, running);
  // What these push goes when all of them are known.
  const members = step.steps.map((member) => ({ member, pushes: pushesOf(member, running) }));
  await Promise.all([
    ...members.map(({ member, pushes }) =>
      pushes === undefined ? one(member, running) : undefined,
    ),
    push(
      members.flatMap(({ pushes }) => pushes ?? []),
      running,
    ),
  ]);
}

/** The push steps that a step comes to, if it comes to nothing else; skipped ones are told. */
function pushesOf(step: Step, running: Running): readonly PushStep[] | undefined {
  if (!isOnlyPushes(step)) return undefined;
  if (isSkipped(step, running)) return [];
  if (step.kind === 'group') {
    return step.steps.flatMap((member) => pushesOf(member, running) ?? []);
  }
  return step.kind === 'push' ? [step] : undefined;
}

function isOnlyPushes(step: Step): boolean {
  return step.kind === 'push' || (step.kind === 'group' && step.steps.every(isOnlyPushes));
}

function isSkipped(step: Step & Filter, { branch, tools, isPushing }: Running): boolean {
  const warn = (message: string) => tools.emit({ type: 'warning', message });
  const why =
    whySkipped(step, branch, warn) ??
    (step.kind === 'push' && !isPushing ? 'nothing is pushed without --push' : undefined);
  if (why !== undefined) tools.say(`(step: ${step.name}) skipped: ${why}`);
  return why !== undefined;
}

async function run(step: RunStep, running: Running): Promise<void> {
  await running.lane.run(async () => {
    if (isOver(running)) return;
    try {
      await running.actions.runCommand(step, step.command);
      running.tools.say(`(step: ${step.name}) success ✔`);
    } catch (error) {
      await fail(step, error, running);
    }
  }, undefined);
}

async function push(steps: readonly PushStep[], running: Running): Promise<void> {
  if (steps.length === 0 || isOver(running)) return;
  // Others that run meanwhile end by themselves, whatever it is.
  const failure = await running.actions
    .pushAll(steps)
    .catch((error: unknown) => ({ step: steps[0] as PushStep, error }));
  if (failure !== undefined) return await fail(failure.step, failure.error, running);
  for (const { name } of steps) running.tools.say(`(step: ${name}) success ✔`);
}

async function fail(step: RunStep | PushStep, error: unknown, running: Running): Promise<void> {
  const { tools, actions } = running;
  // Others may have failed meanwhile; the first one counts.
  if (running.end.failure === undefined) running.end = { failure: { step, error } };
  if (tools.signal.aborted) return;
  const message = error instanceof Error ? error.message : String(error);
  tools.say(`(step: ${step.name}) failed ✗ ${message}`);
  for (const { command, service } of step.onFail satisfies readonly FailureCommand[]) {
    const name = `${step.name} on_fail`;
    try {
      await actions.runCommand({ name, service, where: step.where }, command);
    } catch (after) {
      // It changes nothing about the result.
      const why = after instanceof Error ? after.message : String(after);
      tools.say(`(step: ${name}) failed ✗ ${why}`);
    }
  }
}

async function isApproved(step: Step, running: Running): Promise<boolean> {
  const { tools } = running;
  if (running.isApproved) return true;
  const answer = await tools.approve(`Run the steps of ${step.name}?`);
  if (answer === true) return true;
  running.end = { waitsFor: step };
  tools.say(
    answer === false
      ? `(step: ${step.name}) not approved`
      : `(step: ${step.name}) waits for approval: run it at a terminal, or with -e CI_BUILD_APPROVED=true`,
  );
  return false;
}
