import type { Graph } from '../content/graph.ts';
import type { Engine } from '../engine/client.ts';
import type { Emit } from '../events.ts';
import type { Layout } from '../layout/layout.ts';
import type { Reference } from '../oci/reference.ts';
import type { Condition } from '../publish/conditions.ts';
import type { PublishedImage } from '../publish/publication.ts';
import type { Registries } from '../registry/registries.ts';
import type { Spoken } from '../run/frames.ts';
import type { Hints } from '../state/hints.ts';
import type { Names } from './names.ts';
import type { MakeSettings } from './settings.ts';
import type { Variables } from './variables.ts';

/** What a target wants to be true at the end. */
export interface Wanted {
  readonly images: readonly PublishedImage[];
  /** what tags must be before they are moved */
  readonly condition?: Condition;
}

/** What targets work with; the command line gives it. */
export interface Site {
  readonly signal: AbortSignal;
  readonly emit: Emit;
  /** show what would be done, and do nothing */
  readonly isDryRun: boolean;
  /** results are told as JSON: nothing else may stand on standard output */
  readonly isJson: boolean;
  /** folder of the makefile */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Tells a line of a result. */
  tell(line: string): void;
  /** Tells a line beside results. */
  say(line: string): void;
  /** Tells a result as JSON. */
  tellJson(value: unknown): void;
  /** Tells rows under headings. */
  table(headings: readonly string[], rows: readonly (readonly string[])[]): void;
  home(): Promise<string>;
  hints(): Promise<Hints>;
  store(): Promise<Layout>;
  registries(): Promise<Registries>;
  engine(): Promise<Engine>;
  /** Opens an image of the local store, else of a running engine. */
  openLocal(reference: Reference): Promise<Graph>;
  /** The image as it is published: layers compressed. */
  derive(graph: Graph): Promise<Graph>;
  /** Publishes, or shows the plan of it. */
  publish(open: () => Promise<Wanted>): Promise<void>;
  /** Hands on what a command says. */
  hear(spoken: Spoken): Promise<void>;
  /** Runs `slipway build` with these arguments. */
  build(args: readonly string[]): Promise<void>;
  onClose(close: () => Promise<void>): void;
}

/** One call: its variables, and what it works with. */
export interface Call {
  readonly site: Site;
  readonly settings: MakeSettings;
  readonly variables: Variables;
  readonly names: Names;
  /** The version of an image, found out once. Empty if there is none. */
  version(architecture: string): Promise<string>;
}
