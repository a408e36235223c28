import type { Owner } from '../test/rig/lifetime.ts';

/** What all cases are given. */
export interface Bench {
  /** cleans up at the program's end */
  readonly owner: Owner;
  /** aborted when the program is interrupted: nothing begins any more */
  readonly signal: AbortSignal;
  /** how often every contender runs */
  readonly rounds: number;
  /** 1 for images of the usual size */
  readonly scale: number;
  /** folder where prepared images are kept from one run to the next */
  readonly images: string;
  /** folder of what one user has on the machine between runs: Node's compile cache */
  readonly home: string;
  /** command line of Slipway */
  readonly slipway: readonly string[];
  /** command line of another Slipway to compare with */
  readonly before?: readonly string[];
  /** where processor profiles of Slipway's runs go */
  readonly profiles?: string;
  /** whether a peer is installed and asked for */
  has(peer: string): boolean;
  /** Tells what is going on. */
  say(line: string): void;
}

/** A case: one kind of image on one way. */
export interface Case {
  /** as it is chosen on the command line */
  readonly name: string;
  /** what is measured, for the command's help */
  readonly about: string;
  /** why it can't run here, or false */
  missing(): string | false;
  run(bench: Bench): Promise<readonly Section[]>;
}

/** A table, and what it shows. */
export interface Section {
  readonly title: string;
  /** what was done, in sentences */
  readonly about: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly shows: readonly Shown[];
}

/** One figure that we hold ourselves to. */
export interface Shown {
  readonly what: string;
  readonly value: number;
  readonly atMost: number;
  /** none: a ratio */
  readonly unit?: 'ms' | 'MiB' | 'count';
}
