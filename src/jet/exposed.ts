import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Signalled } from '../content/transport.ts';
import type { Project } from './pipeline.ts';
import { allSteps } from './step.ts';
import { isTracked } from './tracked.ts';

/** A file that holds what nobody should read, and what it is. */
interface SecretFile {
  readonly path: string;
  readonly what: string;
}

/**
 * Warnings of a project's secret files that git keeps: the key, docker configs that aren't encrypted,
 * and the plain files beside those that are (`NAME` beside `NAME.encrypted`).
 */
export async function exposedFiles(
  project: Project,
  keyPath: string,
  { signal }: Signalled,
): Promise<readonly string[]> {
  const found = new Map([...secretFiles(project, keyPath)].map((file) => [file.path, file]));
  const warnings = [...found.values()].map(async ({ path, what }) => {
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (!isThere || !(await isTracked(path, { signal }))) return [];
    return [exposure(what, path)];
  });
  return (await Promise.all(warnings)).flat();
}

/** What is said of a secret file that git keeps. */
export function exposure(what: string, path: string): string {
  return `${what} ${path} is kept by git, where all who read the repository can read it`;
}

function* secretFiles({ dir, services, steps }: Project, keyPath: string): Generator<SecretFile> {
  yield { path: keyPath, what: 'the key' };
  const encrypted = [...services.values()].flatMap(({ variables, build }) => [
    ...variables.encryptedFiles,
    ...(build?.args.encryptedFiles ?? []),
  ]);
  for (const { credentials } of [...services.values(), ...allSteps(steps)]) {
    const { dockercfgPath, encryptedDockercfgPath } = credentials;
    if (encryptedDockercfgPath !== undefined) encrypted.push(encryptedDockercfgPath);
    if (dockercfgPath === undefined) continue;
    yield { path: resolve(dir, dockercfgPath.text()), what: 'the docker config' };
  }
  for (const value of encrypted) {
    const [, plain] = /^(.*[^/])\.(?:encrypted|enc|aes)$/s.exec(value.text()) ?? [];
    if (plain !== undefined) yield { path: resolve(dir, plain), what: 'the plain file' };
  }
}
