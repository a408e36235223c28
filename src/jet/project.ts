import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { SlipwayError } from '../errors.ts';
import { checkProject } from './check.ts';
import { readDocument } from './document.ts';
import type { Project } from './pipeline.ts';
import { readServices, type Warn } from './services-file.ts';
import { readSteps } from './steps-file.ts';

/** In the order in which they are looked for. */
const SERVICES_FILES = [
  'jet-services.yml',
  'jet-services.json',
  'codeship-services.yml',
  'codeship-services.json',
  'docker-compose.yml',
];
const STEPS_FILES = [
  'jet-steps.yml',
  'jet-steps.json',
  'codeship-steps.yml',
  'codeship-steps.json',
];

/** Where a project's files are. */
export interface ProjectPaths {
  /** the project's folder */
  readonly dir: string;
  readonly servicesPath?: string | undefined;
  readonly stepsPath?: string | undefined;
}

/**
 * Reads the services and steps of a project, and checks that they fit together.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID`
 */
export async function readProject(paths: ProjectPaths, warn: Warn): Promise<Project> {
  const only = await readProjectServices(paths, warn);
  const { dir } = only;
  const stepsFile = await findFile(dir, paths.stepsPath, STEPS_FILES, 'steps');
  const steps = readSteps(await readDocument(resolve(dir, stepsFile), stepsFile), warn);
  const project = { ...only, stepsFile, steps };
  checkProject(project, warn);
  return project;
}

/**
 * Reads a project's services alone.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID`
 */
export async function readProjectServices(paths: ProjectPaths, warn: Warn): Promise<Project> {
  const dir = resolve(paths.dir);
  const servicesFile = await findFile(dir, paths.servicesPath, SERVICES_FILES, 'services');
  const document = await readDocument(resolve(dir, servicesFile), servicesFile);
  const project = { dir, servicesFile, services: readServices(document, warn), steps: [] };
  checkProject(project, warn);
  return project;
}

async function findFile(
  dir: string,
  given: string | undefined,
  names: readonly string[],
  what: string,
): Promise<string> {
  if (given !== undefined) return given;
  for (const name of names) {
    const isThere = await access(join(dir, name)).then(
      () => true,
      () => false,
    );
    if (isThere) return name;
  }
  throw new SlipwayError('FILE_NOT_FOUND', `${dir} holds no ${what} file`, {
    path: dir,
    hint: `looked for ${names.join(', ')}; name another one with --${what}-path`,
  });
}
