import type { Heredoc } from './heredoc.ts';
import type { Where } from './text.ts';
import type { Flag, NameValue } from './words.ts';

/** What stands in a HEALTHCHECK; times in nanoseconds, as image configs have them. */
export interface HealthCheck {
  readonly Test: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** A command: a list, or text for the shell. */
export type CommandLine =
  | { readonly form: 'list'; readonly words: readonly string[] }
  | { readonly form: 'shell'; readonly text: string };

/** COPY or ADD. */
export interface CopyInstruction {
  readonly keyword: 'COPY' | 'ADD';
  readonly sources: readonly string[];
  /** sources that are written in the Dockerfile */
  readonly heredocs: readonly Heredoc[];
  readonly destination: string;
  readonly from?: Flag;
  readonly chown?: string;
  readonly chmod?: string;
  readonly exclude: readonly string[];
  readonly link: boolean;
  /** `--unpack` of ADD: whether archives are unpacked */
  readonly unpack: boolean;
  /** a flag that only BuildKit knows how to follow */
  readonly needs?: string;
}

/** An instruction with its parts; variables are still in it. */
export type Instruction = { readonly where: Where } & (
  | CopyInstruction
  | { readonly keyword: 'ARG'; readonly args: readonly { name: string; value?: string }[] }
  | { readonly keyword: 'ENV' | 'LABEL'; readonly pairs: readonly NameValue[] }
  | { readonly keyword: 'CMD' | 'ENTRYPOINT'; readonly command: CommandLine }
  | { readonly keyword: 'EXPOSE'; readonly text: string }
  | { readonly keyword: 'HEALTHCHECK'; readonly check: HealthCheck }
  | { readonly keyword: 'SHELL' | 'VOLUME'; readonly words: readonly string[] }
  | { readonly keyword: 'ONBUILD'; readonly trigger: string }
  | {
      readonly keyword: 'MAINTAINER' | 'STOPSIGNAL' | 'USER' | 'WORKDIR';
      readonly text: string;
    }
  | { readonly keyword: 'RUN' }
);

/** FROM, with its variables. */
export interface FromInstruction {
  readonly where: Where;
  readonly image: string;
  readonly platform?: string;
  /** name of the stage, lower case */
  readonly name?: string;
}
