import type { HealthCheck } from '../run/container.ts';
import type { Value } from './document.ts';

/** Where the credentials for a registry come from; the encrypted file wins. */
export interface CredentialWords {
  /** path of a docker config that jet encrypted, from the project's folder */
  readonly encryptedDockercfgPath?: Value;
  /** name of a service that writes one */
  readonly dockercfgService?: Value;
  /** path of a plain one */
  readonly dockercfgPath?: Value;
}

/** `NAME=VALUE`, or where it can be read. Values of later kinds override those of earlier ones. */
export interface VariableWords {
  readonly plain: readonly NamedValue[];
  /** paths */
  readonly files: readonly Value[];
  readonly encrypted: readonly EncryptedValue[];
  /** paths */
  readonly encryptedFiles: readonly Value[];
}

export interface NamedValue {
  readonly name: string;
  /** undefined: that of our own environment */
  readonly value: string | undefined;
}

/** Without a name it holds lines of `NAME=VALUE`. */
export interface EncryptedValue {
  readonly name?: string;
  readonly value: Value;
  readonly text: string;
}

/** An image that is built. */
export interface ServiceBuild {
  /** the name of the result */
  readonly image?: Value;
  /** path from the project's folder */
  readonly context: string;
  /** path from the context, or from the project's folder */
  readonly dockerfile: string;
  readonly args: VariableWords;
  readonly where: Value;
}

/** A container that another one sees under a name. */
export interface Link {
  readonly service: string;
  readonly alias: string;
  readonly where: Value;
}

/** One entry of a services file. */
export interface Service {
  readonly name: string;
  readonly where: Value;
  readonly build?: ServiceBuild;
  /** the name of an image that is pulled */
  readonly image?: Value;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly variables: VariableWords;
  readonly links: readonly Link[];
  readonly dependsOn: readonly Link[];
  /** `FOLDER|VOLUME:PATH[:ro]` */
  readonly volumes: readonly string[];
  readonly volumesFrom: readonly (Link & { readonly mode: string })[];
  readonly addDocker: boolean;
  readonly cached: boolean;
  readonly defaultCacheBranch: string;
  readonly healthcheck?: HealthCheck;
  readonly credentials: CredentialWords;
}
