import { resolve } from 'node:path';
import type { CredentialLookup } from '../credentials/credential.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { formatRepository, type RepositoryName } from '../oci/reference.ts';
import type { CredentialWords, Service } from './definition.ts';
import { dockercfgLogins } from './dockercfg.ts';
import type { Value } from './document.ts';
import { decrypt } from './encryption.ts';
import { readPath } from './environment.ts';
import { createOnce } from './once.ts';

/** What the command says for steps that say nothing themselves. */
export interface GivenCredentials {
  /** path of an encrypted docker config */
  readonly encryptedDockercfgPath?: string | undefined;
  /** a service that writes a docker config */
  readonly dockercfgService?: string | undefined;
  /** a program of this machine that does */
  readonly dockercfgCommand?: readonly string[] | undefined;
}

export interface CredentialSources {
  readonly dir: string;
  readonly given: GivenCredentials;
  /** services that write a docker config */
  readonly generators: ReadonlySet<string>;
  key(): Promise<Buffer>;
  /** Runs a service that writes a docker config, and gives what it wrote. */
  generate(service: string): Promise<Uint8Array>;
  /** Runs a program that writes one. */
  generateHere(command: readonly string[]): Promise<Uint8Array>;
  readFile(path: string): Promise<Uint8Array>;
}

/** Finds the credentials that steps and services name, each source once. */
export interface StepCredentials {
  /**
   * For what a service is pulled as or built on; undefined: those that every command uses. A service
   * that itself writes a docker config has none of what the command says: it would wait for itself.
   */
  lookup(service: Pick<Service, 'name' | 'credentials'>): Promise<CredentialLookup | undefined>;
  /**
   * The same for a push: what is named must know the registry.
   *
   * @throws SlipwayError `AUTH_REQUIRED`, `CONFIG_INVALID`, `FILE_NOT_FOUND`
   */
  forPush(
    words: CredentialWords,
    repository: RepositoryName,
  ): Promise<CredentialLookup | undefined>;
}

export function createStepCredentials(sources: CredentialSources): StepCredentials {
  const { dir, key } = sources;
  const once = createOnce<CredentialLookup>();
  const encrypted = (path: string, read: () => Promise<Uint8Array>, where?: Value) =>
    once(`encrypted ${resolve(dir, path)}`, async () => {
      const text = Buffer.from(await read()).toString('latin1');
      try {
        return dockercfgLogins(decrypt(text, await key(), path), path);
      } catch (error) {
        const isWritten = where !== undefined && isSlipwayError(error, 'CONFIG_INVALID');
        throw isWritten ? where.wrong(`can't be used: ${error.message}`, error.hint) : error;
      }
    });
  const ofService = (service: string) =>
    once(`service ${service}`, async () =>
      dockercfgLogins(await sources.generate(service), `what the service ${service} wrote`),
    );
  const source = (
    words: CredentialWords,
    given: GivenCredentials,
  ): { readonly name: string; readonly lookup: Promise<CredentialLookup> } | undefined => {
    const { encryptedDockercfgPath: path, dockercfgService, dockercfgPath: plain } = words;
    if (path !== undefined) {
      const name = path.text();
      return { name, lookup: encrypted(name, () => readPath(dir, path), path) };
    }
    if (dockercfgService !== undefined) {
      const name = dockercfgService.text();
      return { name: `the service ${name}`, lookup: ofService(name) };
    }
    if (plain !== undefined) {
      const name = plain.text();
      const read = async () => dockercfgLogins(await readPath(dir, plain), name);
      return { name, lookup: once(`plain ${name}`, read) };
    }
    if (given.encryptedDockercfgPath !== undefined) {
      const name = given.encryptedDockercfgPath;
      return { name, lookup: encrypted(name, () => sources.readFile(resolve(dir, name))) };
    }
    if (given.dockercfgService !== undefined) {
      const name = given.dockercfgService;
      return { name: `the service ${name}`, lookup: ofService(name) };
    }
    if (given.dockercfgCommand === undefined) return undefined;
    const command = given.dockercfgCommand;
    const [name = ''] = command;
    const read = async () =>
      dockercfgLogins(await sources.generateHere(command), `what ${name} wrote`);
    return { name, lookup: once('command', read) };
  };
  return {
    lookup: async ({ name, credentials }) =>
      await source(credentials, sources.generators.has(name) ? {} : sources.given)?.lookup,
    async forPush(words, repository) {
      const named = source(words, sources.given);
      const lookup = await named?.lookup;
      if (named === undefined || lookup === undefined) return undefined;
      if ((await lookup(repository)) === undefined) {
        throw new SlipwayError('AUTH_REQUIRED', `${named.name} holds no login for this registry`, {
          host: repository.host,
          repository: repository.path,
          hint: `add an entry for ${repository.host} to the docker config, or for ${formatRepository(repository)}`,
        });
      }
      return lookup;
    },
  };
}
