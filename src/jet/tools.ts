import type { BuildEngine } from '../build/engine.ts';
import type { Graph } from '../content/graph.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import type { Engine } from '../engine/client.ts';
import type { Emit } from '../events.ts';
import type { Layout } from '../layout/layout.ts';
import type { Publication } from '../publish/publication.ts';
import type { PublishOutcome } from '../publish/publish.ts';
import type { Registries } from '../registry/registries.ts';

/** What a pipeline works with, opened by the command when it is first used. */
export interface Tools {
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** Tells a line of the pipeline's own: the states of steps and what commands say. */
  say(line: string): void;
  /** folder for temporary files */
  home(): Promise<string>;
  store(): Promise<Layout>;
  engine(): Promise<Engine>;
  /** Engines that say to registries of base images who we are as `own` does. */
  buildEngines(own?: CredentialLookup): Promise<readonly BuildEngine[]>;
  /** Registries to which `own` says who we are, before anything else does. */
  registries(own?: CredentialLookup): Promise<Registries>;
  /** The image as it is published: its layers compressed. */
  compressed(graph: Graph): Promise<Graph>;
  publish(publication: Publication): Promise<PublishOutcome>;
  /** Asks for a yes; undefined where there is nobody to ask. */
  approve(question: string): Promise<boolean | undefined>;
}
