import type { CompressionSettings, CompressionTable } from '../../content/derivations/compress.ts';
import type { Graph } from '../../content/graph.ts';
import type { Emit } from '../../events.ts';
import type { Layout } from '../../layout/layout.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest } from '../../oci/digest.ts';
import type { JsonObject } from '../../oci/json.ts';
import type { Platform } from '../../oci/platform.ts';
import type { Reference } from '../../oci/reference.ts';
import type { Registries } from '../../registry/registries.ts';
import type { ParsedDockerfile } from '../dockerfile/dockerfile.ts';
import type { ImageDraft } from './image-config.ts';
import type { DirectoryNode } from './nodes.ts';
import type { SourceTree } from './sources.ts';

/** An image that a stage begins with, or that files are copied from. It is in the store. */
export interface BaseImage {
  readonly platform: Platform;
  readonly config: JsonObject;
  readonly layers: readonly Descriptor[];
  readonly diffIds: readonly Digest[];
  /** Its files, read once; nobody may change them. */
  tree(): Promise<DirectoryNode>;
}

/** A stage that was built. */
export interface StageResult {
  readonly image: ImageDraft;
  readonly layers: readonly Descriptor[];
  /** the ARGs that stages which begin with it inherit, by name */
  readonly args: ReadonlyMap<string, string>;
  /** Its files; nobody may change them. */
  tree(): Promise<DirectoryNode>;
}

/** An image that a running engine has under a name. */
export interface EngineBase {
  /** no registry has it, or the engine has it as its registry does */
  readonly isFirst: boolean;
  open(): Promise<Graph>;
}

/** Looks for an image in a running engine; that there is none is no error. */
export type FindEngineImage = (reference: Reference) => Promise<EngineBase | undefined>;

/** What a build works with, for all its platforms and stages. */
export interface BuildRun {
  readonly dockerfile: ParsedDockerfile;
  readonly store: Layout;
  registries(): Promise<Registries>;
  engineImage: FindEngineImage | undefined;
  /** what earlier runs compressed; undefined: everything is made anew */
  readonly table: CompressionTable | undefined;
  readonly settings: CompressionSettings;
  readonly spoolDir: string;
  readonly pull: boolean;
  readonly emit: Emit;
  readonly signal: AbortSignal | undefined;
  /** values of `--build-arg` */
  readonly args: ReadonlyMap<string, string>;
  /** dates of files and images */
  readonly clock: Clock;
  context(): Promise<SourceTree>;
  /** Called at the end, whatever comes of it. */
  onClose(close: () => Promise<void>): void;
  /** images that were opened, by name and platform */
  readonly bases: Map<string, Promise<BaseImage>>;
}

/** Dates of what is made. */
export interface Clock {
  /** of files and folders that are made, in seconds since 1970 */
  readonly nowSeconds: number;
  /** What becomes of the time of a file, in whole seconds. */
  ofFile(seconds: number): number;
  /** of images and their history, RFC 3339 */
  readonly created: string;
}

/** A build for one platform. */
export interface PlatformRun extends BuildRun {
  readonly platform: Platform;
  /** what FROM can use: the ARGs before the first one, and the platforms */
  readonly globals: ReadonlyMap<string, string>;
  readonly stages: Map<number, Promise<StageResult>>;
}

/** A stage that is being built. */
export interface StageState {
  image: ImageDraft;
  readonly layers: Descriptor[];
  readonly args: Map<string, string>;
  /** Its files, to be changed; read when they are asked for the first time. */
  tree: () => Promise<DirectoryNode>;
  /** CMD stood in this stage: an ENTRYPOINT leaves it */
  isCmdSet: boolean;
}
