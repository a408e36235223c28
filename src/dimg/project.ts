import { basename, join, resolve } from 'node:path';
import { SlipwayError } from '../errors.ts';
import { readSmallFile } from '../layout/files.ts';
import { isJsonObject } from '../oci/json.ts';
import { type ImageConfig, type ProjectConfig, shownName } from './config.ts';
import { configDocuments } from './config-document.ts';
import { fieldsOf } from './config-fields.ts';
import { imagesOf } from './config-image.ts';
import { slug } from './slug.ts';
import { renderProject } from './template/project-template.ts';

const FILE_NAMES = ['werf.yaml', 'werf.yml'];
const MAX_BYTES = 4 * 1024 * 1024;
/** as git prints it: a path that has a last part */
const LAST_PART = /([^/:]+?)(?:\.git)?\/*$/;

/**
 * Reads the configuration of the project in a folder.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID` with file and line
 */
export async function readProject(
  folder: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<ProjectConfig> {
  for (const name of FILE_NAMES) {
    const file = join(folder, name);
    const bytes = await readSmallFile(file, MAX_BYTES);
    if (bytes === undefined) continue;
    const text = bytes.toString();
    if (!text.includes('{{')) return parseProject(file, text);
    const rendered = renderProject(resolve(folder), file, text, env);
    return parseProject(`${file} (rendered)`, rendered);
  }
  throw new SlipwayError('FILE_NOT_FOUND', `there is no ${FILE_NAMES[0]} in ${folder}`, {
    path: folder,
    hint: 'go to the folder of the project, or name it with --dir',
  });
}

/** @throws SlipwayError `CONFIG_INVALID` with file and line */
export function parseProject(file: string, text: string): ProjectConfig {
  let project: string | undefined;
  const images: ImageConfig[] = [];
  for (const document of configDocuments(file, text)) {
    const { json } = document;
    const isMeta = isJsonObject(json) && ('project' in json || 'configVersion' in json);
    if (!isMeta) {
      images.push(...imagesOf(document));
      continue;
    }
    const fields = fieldsOf(document);
    const map = fields.map([], json, ['project', 'configVersion']);
    if (project !== undefined) throw document.wrong([], 'there are two documents with project');
    project = fields.optional(['project'], map.project);
    if (project !== undefined && slug(project) !== project) {
      throw document.wrong(
        ['project'],
        'the name of a project has small letters, digits and dashes',
        `${slug(project)} would be one`,
      );
    }
  }
  checkNames(file, images);
  checkOrder(file, images);
  return { file, images, ...(project === undefined ? {} : { project }) };
}

/**
 * What a project is called: what its file says, else the slug of `name`, of the last part of its
 * repository's address, or of its folder.
 */
export function projectName(
  { project }: Pick<ProjectConfig, 'project'>,
  {
    name,
    origin,
    folder,
  }: { name?: string | undefined; origin?: string | undefined; folder: string },
): string {
  if (project !== undefined) return project;
  const fromOrigin = origin === undefined ? undefined : LAST_PART.exec(origin)?.[1];
  return slug(name ?? fromOrigin ?? basename(resolve(folder)));
}

function checkNames(file: string, images: readonly ImageConfig[]): void {
  const dimgs = images.filter(({ kind }) => kind === 'dimg');
  if (dimgs.length === 0) {
    throw new SlipwayError('CONFIG_INVALID', `${file}: no dimg is defined`, { path: file });
  }
  const nameless = dimgs.find(({ name }) => name === undefined);
  if (nameless !== undefined && dimgs.length > 1) {
    throw at(file, nameless, 'a nameless dimg can only stand alone', 'give it a name');
  }
  const seen = new Set<string>();
  for (const image of images) {
    if (image.name !== undefined && seen.has(image.name)) {
      throw at(file, image, `there are two images called ${image.name}`);
    }
    seen.add(image.name ?? '');
  }
}

/** Everything that an image is made of has to be there, and nothing is made of itself. */
function checkOrder(file: string, images: readonly ImageConfig[]): void {
  const done = new Set<ImageConfig>();
  const visit = (image: ImageConfig, above: readonly ImageConfig[]): void => {
    if (done.has(image)) return;
    if (above.includes(image)) {
      const circle = [...above.slice(above.indexOf(image)), image].map(shownName);
      throw at(file, image, `images are made of each other: ${circle.join(' ← ')}`);
    }
    for (const needed of neededBy(image)) {
      const found = images.find(({ kind, name }) => kind === needed.kind && name === needed.name);
      if (found === undefined) {
        throw at(
          file,
          image,
          `${shownName(image)} needs ${shownName(needed)}, which isn't defined`,
        );
      }
      visit(found, [...above, image]);
    }
    done.add(image);
  };
  for (const image of images) visit(image, []);
}

/** The images of the project that an image is made of. */
export function neededBy({
  base,
  imports,
}: ImageConfig): readonly { readonly kind: 'dimg' | 'artifact'; readonly name: string }[] {
  return [
    ...(base.kind === 'from' ? [] : [{ kind: base.kind, name: base.name }]),
    ...imports.map(({ kind, from }) => ({ kind, name: from })),
  ];
}

function at(file: string, { line }: ImageConfig, message: string, hint?: string): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${file}:${line}: ${message}`, {
    path: file,
    ...(hint === undefined ? {} : { hint }),
  });
}
