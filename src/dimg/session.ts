import type { BuildEngine } from '../build/engine.ts';
import type { Engine } from '../engine/client.ts';
import type { Emit } from '../events.ts';
import type { Layout } from '../layout/layout.ts';
import type { Registries } from '../registry/registries.ts';
import type { Repository } from '../registry/repository.ts';
import type { ImageConfig, ProjectConfig } from './config.ts';
import type { Git } from './git.ts';
import type { GitSources } from './git-sources.ts';
import type { Introspection } from './introspection.ts';

/** What becomes of a stage or of a name, as werf writes it. */
export type DimgState =
  | 'BUILD'
  | 'BUILDING'
  | 'USING CACHE'
  | 'PULL'
  | 'PULLING'
  | 'NOT PULLED'
  | 'PUSH'
  | 'PUSHING'
  | 'EXPORT'
  | 'EXPORTING'
  | 'EXIST'
  | 'NOT EXIST'
  | 'OK'
  | 'FAILED';

/** Tells a state of something. */
export type Tell = (what: string, state: DimgState, seconds?: number) => void;

/** What the work of a command on a project needs. */
export interface DimgSession {
  readonly config: ProjectConfig;
  /** name of the project */
  readonly project: string;
  /** folder of the project */
  readonly folder: string;
  /** the repository that it is in */
  readonly git: Git | undefined;
  /** the repositories that files are taken of */
  readonly sources: GitSources;
  readonly store: Layout;
  /** folder of tables, locks and temporary files */
  readonly home: string;
  /** makes what runs no commands */
  readonly native: BuildEngine;
  /** runs commands */
  engine(): Promise<Engine>;
  /** opened when one is needed, as whoever the command says that we are */
  registries(): Promise<Registries>;
  /** where stages may be that the store hasn't */
  readonly stagesFrom?: Repository | undefined;
  /** Keeps others from removing a folder below `home` until the command ends. */
  readonly hold: (folder: string) => Promise<void>;
  /** kept between builds, for mounts from `build_dir` */
  readonly buildDir: string;
  readonly tmpDirPrefix: string;
  readonly network?: string | undefined;
  /** who wants to look into containers while they are made */
  readonly introspection?: Introspection | undefined;
  readonly lockTimeoutMs: number;
  readonly dryRun: boolean;
  /** stages of files that aren't committed, apart from all others */
  readonly isDev: boolean;
  readonly tell: Tell;
  /** Tells more of what was told last, to those who want to know. */
  readonly detail: (text: string) => void;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Short names of the store are those of Docker Hub's library. */
const STORE_PREFIX = 'docker.io/library/';

/** The project follows. */
export const STAGE_NAME_START = `${STORE_PREFIX}dimgstage-`;

/** The name that a stage has in the store. */
export function stageName({ project }: Pick<DimgSession, 'project'>, signature: string): string {
  return `${STAGE_NAME_START}${project}:${signature}`;
}

/** The same as people write it. */
export function shownStageName(session: Pick<DimgSession, 'project'>, signature: string): string {
  return stageName(session, signature).slice(STORE_PREFIX.length);
}

/** How the stages of a dimg are called. */
export function dimgTitle({ kind, name }: ImageConfig): string {
  return name === undefined ? kind : `${kind} ${name}`;
}
