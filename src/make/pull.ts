import { reducePlatforms } from '../content/derivations/platforms.ts';
import { type Graph, graphOf } from '../content/graph.ts';
import { isSlipwayError } from '../errors.ts';
import { formatReference, formatRepository } from '../oci/reference.ts';
import { ALL, ARCHITECTURES, findArchitecture } from './architectures.ts';
import type { Call } from './call.ts';
import { tryResolve } from './entries.ts';
import { type FullName, parseName } from './names.ts';
import { checkRegistry } from './variables.ts';

/** `pull`: gets an image, from elsewhere if that is wanted, under the image's own name. */
export async function pull(call: Call): Promise<void> {
  const { variables } = call;
  if (variables.architecture !== ALL) return await pullOne(call, variables.architecture);
  let missing: unknown;
  let count = 0;
  for (const { name } of ARCHITECTURES) {
    try {
      await pullOne(call, name);
      count++;
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
      missing ??= error;
    }
  }
  if (count === 0) throw missing;
}

async function pullOne(call: Call, architecture: string): Promise<void> {
  const { site, variables, names } = call;
  const from = sourceOf(call, architecture);
  const own = names.image(architecture, '').image;
  const isRetagged = !variables.isSet('SKIP_RETAG') && from.text !== own.text;
  const name = isRetagged ? own : from;
  if (site.isDryRun && !site.isJson) site.tell(`${from.text} -> ${name.text}`);
  else await site.publish(() => toStore(call, from, name, architecture));
  if (!isRetagged) {
    site.say(`Skipping retag: ${from.text}.`);
    return;
  }
  site.say(`Re-Tagging: ${from.text} -> ${own.text}.`);
  const before = formatReference(from.reference);
  if (site.isDryRun || before === formatReference(own.reference)) return;
  await (await site.store()).untag(before, { signal: site.signal });
}

/** IMAGESRC, or what its parts say. */
function sourceOf({ variables, names }: Call, architecture: string): FullName {
  const whole = variables.given('IMAGESRC');
  if (whole !== undefined) return parseName(whole, 'IMAGESRC');
  const parts = ['REGSRC', 'ORGSRC', 'REPOSRC', 'TAGSRC'].map((part) => variables.given(part));
  if (parts.every((part) => part === undefined)) return names.image(architecture, '').image;
  const [registry, organisation, name, tag] = parts;
  const host = registry === undefined ? variables.registry : checkRegistry(registry);
  const path = `${organisation ?? variables.organisation}/${name ?? variables.name}`;
  return parseName(`${host}/${path}:${tag ?? architecture}`, 'the source');
}

async function toStore({ site }: Call, from: FullName, name: FullName, architecture: string) {
  const { signal } = site;
  const repository = (await site.registries()).repository(from.reference);
  const root = await repository.resolve(from.reference.tag, { signal });
  const found = { ...graphOf(repository, root, from.text), from: repository.repository };
  const store = await site.store();
  const target = { ...store, name: formatRepository(name.reference) };
  return {
    images: [
      {
        graph: await ofArchitecture(found, architecture, signal),
        destinations: [{ target, names: [formatReference(name.reference)] }],
      },
    ],
  };
}

/** The one image of a list that is for the architecture; what the table doesn't know stays whole. */
async function ofArchitecture(
  graph: Graph,
  architecture: string,
  signal: AbortSignal,
): Promise<Graph> {
  const known = findArchitecture(architecture);
  const { mediaType } = await graph.root();
  if (known === undefined || !/index|list/.test(mediaType)) return graph;
  return await reducePlatforms(graph, [known.platform], { single: true, signal });
}

/** The image of an architecture: the local one, else that of the registry. */
export async function findImage(
  { site, names }: Pick<Call, 'site' | 'names'>,
  architecture: string,
): Promise<Graph> {
  const { signal } = site;
  const { reference, text } = names.image(architecture, '').image;
  try {
    return await ofArchitecture(await site.openLocal(reference), architecture, signal);
  } catch (error) {
    if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    const repository = (await site.registries()).repository(reference);
    const root = await tryResolve(repository, reference.tag, { signal });
    if (root === undefined) throw error;
    return await ofArchitecture(graphOf(repository, root, text), architecture, signal);
  }
}
