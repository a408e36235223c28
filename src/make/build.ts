import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Dockerfile } from '../build/engine.ts';
import { collect, readFileBytes } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { formatPlatform } from '../oci/platform.ts';
import { ALL, ARCHITECTURES, findArchitecture, USUAL_ARCHITECTURES } from './architectures.ts';
import { registryFlags } from './buildkit-config.ts';
import type { Call } from './call.ts';
import { imageLabels } from './image-labels.ts';
import { isFoundInImage } from './version.ts';

const MAX_DOCKERFILE_BYTES = 4 * 1024 * 1024;

/** `build`: builds the image of an architecture into the local store. */
export async function build(call: Call): Promise<void> {
  const { site, variables, names } = call;
  const isAll = variables.architecture === ALL;
  for (const architecture of isAll ? await buildable(call) : [variables.architecture]) {
    const { text } = names.image(architecture, '').image;
    if (variables.isSet(`SKIP_${architecture}`)) site.say(`Skipping build: ${text}.`);
    else await buildOne(call, architecture, text);
  }
}

/** Those with a Dockerfile of their own; where one is for all, those of lists. */
async function buildable({ site, settings }: Call): Promise<readonly string[]> {
  if (settings.architectures !== undefined) return settings.architectures;
  const own: string[] = [];
  for (const { name } of ARCHITECTURES) {
    if (await isThere(join(site.folder, `Dockerfile_${name}`))) own.push(name);
  }
  return own.length > 0 ? own : USUAL_ARCHITECTURES;
}

async function buildOne(call: Call, architecture: string, text: string): Promise<void> {
  const { site, variables } = call;
  const dockerfile = await dockerfileOf(call, architecture);
  if (site.isDryRun) {
    site.tell(`${text} from ${dockerfile.name}`);
    return;
  }
  // What is only known of the finished image can't be its label.
  const version = isFoundInImage(call) ? '' : await call.version(architecture);
  const labels = await imageLabels(call, version, dockerfile);
  const known = findArchitecture(architecture);
  const pairs = (option: string, values: Iterable<readonly [string, string]>): string[] =>
    [...values].flatMap(([name, value]) => [option, `${name}=${value}`]);
  await site.build([
    ...['-f', dockerfile.path, '-t', text, '--no-cache', '--pull'],
    ...(known === undefined ? [] : ['--platform', formatPlatform(known.platform)]),
    ...pairs('--build-arg', variables.extra),
    ...pairs('--label', Object.entries(labels)),
    ...(await registryFlags(site.folder)),
    site.folder,
  ]);
}

/** DOCKERFILE, else the one of the architecture, else the one for all. */
async function dockerfileOf(
  { site, variables }: Call,
  architecture: string,
): Promise<Dockerfile & { readonly path: string }> {
  const own = `Dockerfile_${architecture}`;
  const isOwn = await isThere(join(site.folder, own));
  const name = variables.given('DOCKERFILE') ?? (isOwn ? own : 'Dockerfile');
  const path = resolve(site.folder, name);
  if (!(await isThere(path))) {
    throw new SlipwayError(
      'FILE_NOT_FOUND',
      `there is neither ${own} nor ${name} in ${site.folder}`,
      {
        path,
        hint: 'name another folder with -C, or the file with DOCKERFILE=…',
      },
    );
  }
  const bytes = await collect(readFileBytes(path), MAX_DOCKERFILE_BYTES, path);
  return { name, path, bytes };
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
