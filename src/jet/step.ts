import type { CredentialWords } from './definition.ts';
import type { Value } from './document.ts';

interface StepBase {
  /** unique in the file */
  readonly name: string;
  readonly where: Value;
  /** branch or git tag that it is for */
  readonly tag?: Value;
  /** … and that it isn't for, which wins */
  readonly exclude?: Value;
  readonly credentials: CredentialWords;
}

/** A command that runs when a step has failed. */
export interface FailureCommand {
  readonly command: readonly string[];
  readonly service: string;
}

export interface RunStep extends StepBase {
  readonly kind: 'run';
  readonly service: string;
  readonly command: readonly string[];
  readonly onFail: readonly FailureCommand[];
}

export interface PushStep extends StepBase {
  readonly kind: 'push';
  readonly service: string;
  readonly imageName: Value;
  /** a literal tag or a template */
  readonly imageTag?: Value;
  /** where credentials are looked for */
  readonly registry?: Value;
  readonly onFail: readonly FailureCommand[];
}

/** Members run side by side, or one after the other. */
export interface GroupStep extends StepBase {
  readonly kind: 'group';
  readonly order: 'parallel' | 'serial';
  readonly steps: readonly Step[];
}

/** Its steps wait for somebody's approval. */
export interface ManualStep extends StepBase {
  readonly kind: 'manual';
  readonly steps: readonly Step[];
}

export type Step = RunStep | PushStep | GroupStep | ManualStep;

/** All steps of a tree, groups before their members. */
export function* allSteps(steps: readonly Step[]): Generator<Step> {
  for (const step of steps) {
    yield step;
    if (step.kind === 'group' || step.kind === 'manual') yield* allSteps(step.steps);
  }
}
