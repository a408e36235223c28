import type { Service } from './definition.ts';
import type { Step } from './step.ts';

/** A pipeline, read and checked. */
export interface Project {
  /** absolute */
  readonly dir: string;
  readonly servicesFile: string;
  readonly services: ReadonlyMap<string, Service>;
  /** undefined where only services were wanted */
  readonly stepsFile?: string;
  readonly steps: readonly Step[];
}
