import type { ContainerSpec } from '../run/container.ts';

/** A stage that a person wants to look into, before it is built or when it is. */
export interface LookedInto {
  readonly kind: 'dimg' | 'artifact';
  readonly when: 'before' | 'after';
  readonly stage: string;
}

/** Where a build stops to let a person look into a container. */
export interface Introspection {
  readonly stages: readonly LookedInto[];
  /** after the commands of a stage failed */
  readonly onError: boolean;
  /** what they began with */
  readonly beforeError: boolean;
  /** Opens a shell at the terminal, one at a time, and comes back when it is left. */
  open(what: string, spec: ContainerSpec): Promise<void>;
}
