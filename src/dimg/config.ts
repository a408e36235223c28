/** The project that a `werf.yaml` describes. */
export interface ProjectConfig {
  /** path of the file */
  readonly file: string;
  /** `project:` of its meta document */
  readonly project?: string;
  /** dimgs and artifacts, as they stand in the file */
  readonly images: readonly ImageConfig[];
}

/** A dimg, which can be published, or an artifact, which others take files of. */
export interface ImageConfig {
  readonly kind: 'dimg' | 'artifact';
  /** left out for the one nameless dimg */
  readonly name?: string;
  readonly base: ImageBase;
  readonly fromCacheVersion?: string;
  readonly git: readonly GitMapping[];
  readonly userStages: Readonly<Record<UserStage, ShellStage>>;
  readonly imports: readonly ImportRule[];
  readonly mounts: readonly MountRule[];
  readonly docker?: DockerDirectives;
  /** line of its document, for errors */
  readonly line: number;
}

/** What an image stands on: an image of a registry, or another one of the project. */
export type ImageBase =
  | { readonly kind: 'from'; readonly image: string }
  | { readonly kind: 'dimg' | 'artifact'; readonly name: string };

/** The stages that run a user's commands. */
export const USER_STAGES = ['beforeInstall', 'install', 'beforeSetup', 'setup'] as const;
export type UserStage = (typeof USER_STAGES)[number];

export interface ShellStage {
  readonly commands: readonly string[];
  /** of the stage, then of all stages */
  readonly cacheVersions: readonly string[];
}

/** Files of a git repository that are put into an image. */
export interface GitMapping {
  /** left out for the repository of the project */
  readonly remote?: RemoteSource;
  /** absolute path in the repository */
  readonly add: string;
  /** absolute path in the image */
  readonly to: string;
  /** relative to `add` */
  readonly includePaths: readonly string[];
  readonly excludePaths: readonly string[];
  /** number or name */
  readonly owner?: string;
  readonly group?: string;
  /** patterns whose files' changes let a stage run anew */
  readonly stageDependencies: Readonly<Partial<Record<UserStage, readonly string[]>>>;
}

/** A remote repository, and what of it. */
export interface RemoteSource {
  /** without login */
  readonly url: string;
  readonly login?: { readonly username: string; readonly password: string };
  readonly ref: {
    readonly kind: 'branch' | 'tag' | 'commit' | 'head';
    /** empty for HEAD */
    readonly name: string;
  };
}

/** Files of another image of the project. */
export interface ImportRule {
  readonly kind: 'dimg' | 'artifact';
  readonly from: string;
  readonly when: 'before' | 'after';
  readonly stage: 'install' | 'setup';
  readonly add: string;
  readonly to: string;
  readonly includePaths: readonly string[];
  readonly excludePaths: readonly string[];
  readonly owner?: string;
  readonly group?: string;
}

/** A folder that commands see and that is no part of the image. */
export type MountRule =
  | { readonly kind: 'tmp_dir' | 'build_dir'; readonly to: string }
  | { readonly kind: 'custom'; readonly from: string; readonly to: string };

/** Directives of a Dockerfile. */
export interface DockerDirectives {
  readonly VOLUME?: readonly string[];
  readonly EXPOSE?: readonly string[];
  readonly ENV?: Readonly<Record<string, string>>;
  readonly LABEL?: Readonly<Record<string, string>>;
  readonly ENTRYPOINT?: string | readonly string[];
  readonly CMD?: string | readonly string[];
  readonly ONBUILD?: readonly string[];
  readonly WORKDIR?: string;
  readonly USER?: string;
  readonly STOPSIGNAL?: string;
  readonly HEALTHCHECK?: string;
}

/** How an image is called for people. */
export function shownName({ kind, name }: Pick<ImageConfig, 'kind' | 'name'>): string {
  return name === undefined ? `nameless ${kind}` : `${kind} ${name}`;
}
