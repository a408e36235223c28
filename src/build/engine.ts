import type { FileHandle } from 'node:fs/promises';
import type { CompressionSettings } from '../content/derivations/compress.ts';
import type { Signalled } from '../content/transport.ts';
import type { Emit } from '../events.ts';
import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Platform } from '../oci/platform.ts';

/** Names of the engines, as `--engine` takes them, in the order in which `auto` asks them. */
export const ENGINE_NAMES = [
  'native',
  'buildx',
  'buildctl',
  'docker',
  'podman',
  'buildah',
] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** What the files of COPY and ADD come from. */
export type BuildContext =
  /** absolute path of a folder that is there */
  | { readonly kind: 'folder'; readonly path: string }
  /** an uncompressed tar file that can be read at any place */
  | {
      readonly kind: 'tar';
      /** for people */
      readonly name: string;
      readonly handle: FileHandle;
      readonly sizeBytes: number;
    }
  /** a git repository, as docker spells it: `URL[#REF[:FOLDER]]` */
  | { readonly kind: 'git'; readonly url: string }
  /** nothing: the Dockerfile came alone */
  | { readonly kind: 'empty' };

/** The text to build, read once; what is built is what was read. */
export interface Dockerfile {
  /** for people: the path as it was given, or `standard input` */
  readonly name: string;
  /** absolute path of the file, where it is one */
  readonly path?: string;
  readonly bytes: Uint8Array;
  /** bytes of the ignore file that belongs to it: `NAME.dockerignore`, else `.dockerignore` */
  readonly ignore?: Uint8Array;
}

/** `--build-arg`: a value, or the name of a variable of our environment that is set. */
export interface BuildArg {
  readonly name: string;
  readonly value: string;
  /** the value wasn't given in words, and is handed on by name only */
  readonly isFromEnvironment: boolean;
}

/** `--secret`: content of a file or of an environment variable, for RUN only. */
export type BuildSecret = { readonly id: string } & (
  | { readonly file: string }
  | { readonly variable: string }
);

/**
 * One build. Names, labels and annotations of the result are no business of an engine: they are
 * added to what it made, the same way for all.
 */
export interface BuildRequest {
  readonly context: BuildContext;
  /** left out where it is found in a git context only */
  readonly dockerfile?: Dockerfile;
  /** path of the Dockerfile inside a git or tar context, if it isn't `Dockerfile` */
  readonly dockerfileInContext?: string;
  /** stage to build, the last one if left out */
  readonly target?: string;
  readonly args: readonly BuildArg[];
  /** more than one makes an index; none: the platform of the engine */
  readonly platforms: readonly Platform[];
  readonly noCache: boolean;
  /** look in the registry for newer base images */
  readonly pull: boolean;
  readonly secrets: readonly BuildSecret[];
  /** `default` or `ID[=SOCKET|KEY]`, as docker takes them */
  readonly ssh: readonly string[];
  /** `type=registry,ref=…`, as BuildKit takes them */
  readonly cacheFrom: readonly string[];
  readonly cacheTo: readonly string[];
  /** network of commands: `none`, `host`, `default` */
  readonly network?: string;
  /** how buildah runs commands: `oci`, `rootless` or `chroot` */
  readonly isolation?: string;
  /** how new layers are compressed, where the engine does that itself */
  readonly compression?: CompressionSettings;
  /**
   * The date of the image and of its files: `keep` leaves them as they are, a number is
   * `SOURCE_DATE_EPOCH` in seconds (files: no later than it). Left out it is the engine's habit.
   */
  readonly timestamps?: 'keep' | number;
}

export interface BuildOptions extends Signalled {
  /** where the image goes */
  readonly store: Layout;
  /** folder on whose disk temporary files may be kept */
  readonly spoolDir: string;
  readonly emit: Emit;
}

/** Whether an engine can do a build here, and if not, why. */
export type Suitability =
  | { readonly can: true; readonly version?: string }
  | {
      readonly can: false;
      /** why, as the end of a sentence: `line 3 runs a command` */
      readonly reason: string;
      /** what would make it possible */
      readonly hint?: string;
      /** the engine isn't here at all: `auto` is silent about that where another one can */
      readonly isAbsent?: boolean;
    };

/** Something that makes an image from a Dockerfile. */
export interface BuildEngine {
  readonly name: EngineName;
  /**
   * Says without building anything whether the engine is here and can do `request`.
   *
   * @throws SlipwayError `CONFIG_INVALID` for a Dockerfile that doesn't parse
   */
  probe(request: BuildRequest, options?: Signalled): Promise<Suitability>;
  /**
   * Builds into `options.store` and gives the root: a manifest, or an index for several platforms.
   *
   * @throws SlipwayError `COMMAND_FAILED` if a step failed
   */
  build(request: BuildRequest, options: BuildOptions): Promise<Descriptor>;
}
