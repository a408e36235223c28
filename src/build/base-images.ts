import { DOCKER_HUB, parseReference, type Reference } from '../oci/reference.ts';
import { type ParsedDockerfile, parseDockerfile } from './dockerfile/dockerfile.ts';
import { expandWord } from './dockerfile/expand.ts';
import type { BuildRequest } from './engine.ts';

/**
 * The images outside of it that a Dockerfile names: those of FROM, and of COPY --from. What isn't
 * known before the build is left out, and so is everything of a text that doesn't parse.
 */
export function baseImages({
  dockerfile,
  args,
}: Pick<BuildRequest, 'dockerfile' | 'args'>): readonly Reference[] {
  const parsed = dockerfile === undefined ? undefined : parsedOrNot(dockerfile);
  if (parsed === undefined) return [];
  const variables = globalVariables(parsed, args);
  const stages = new Set<string>();
  const images: Reference[] = [];
  const add = (text: string) => {
    const name = expanded(text, variables, parsed);
    if (name === undefined || name === 'scratch' || /^[0-9]+$/.test(name)) return;
    if (stages.has(name.toLowerCase())) return;
    const reference = referenceOf(name);
    if (reference !== undefined) images.push(reference);
  };
  for (const { from, instructions } of parsed.stages) {
    add(from.image);
    for (const each of instructions) {
      if ((each.keyword === 'COPY' || each.keyword === 'ADD') && each.from !== undefined) {
        add(each.from.value ?? '');
      }
    }
    if (from.name !== undefined) stages.add(from.name);
  }
  return images;
}

/** The image below the last stage, or below `target`, if the Dockerfile alone tells it. */
export function finalBaseImage(
  request: Pick<BuildRequest, 'dockerfile' | 'args' | 'target'>,
): Reference | undefined {
  const { dockerfile, args, target } = request;
  const parsed = dockerfile === undefined ? undefined : parsedOrNot(dockerfile);
  if (parsed === undefined) return undefined;
  const variables = globalVariables(parsed, args);
  let wanted = target?.toLowerCase();
  for (let at = parsed.stages.length - 1; at >= 0; at--) {
    const stage = parsed.stages[at];
    if (stage === undefined) continue;
    if (wanted !== undefined && stage.from.name !== wanted && String(at) !== wanted) continue;
    const name = expanded(stage.from.image, variables, parsed);
    if (name === undefined || name === 'scratch') return undefined;
    const isStage = parsed.stages.slice(0, at).some(({ from }) => from.name === name.toLowerCase());
    if (!isStage) return referenceOf(name);
    wanted = name.toLowerCase();
  }
  return undefined;
}

/** A host as docker's configuration calls it. */
export function registryKey(host: string): string {
  return host === DOCKER_HUB ? 'https://index.docker.io/v1/' : host;
}

function parsedOrNot(dockerfile: NonNullable<BuildRequest['dockerfile']>) {
  try {
    return parseDockerfile(dockerfile.name, dockerfile.bytes);
  } catch {
    // The engine says itself what is wrong with it.
    return undefined;
  }
}

function globalVariables(
  parsed: ParsedDockerfile,
  args: BuildRequest['args'],
): ReadonlyMap<string, string> {
  const given = new Map(args.map(({ name, value }) => [name, value]));
  const variables = new Map<string, string>();
  for (const { name, value } of parsed.globals.flatMap((instruction) => instruction.args)) {
    const text = given.get(name) ?? (value && expanded(value, variables, parsed));
    if (text !== undefined) variables.set(name, text);
  }
  return variables;
}

function expanded(
  text: string,
  variables: ReadonlyMap<string, string>,
  { escapeWith }: ParsedDockerfile,
): string | undefined {
  try {
    return expandWord(text, variables, escapeWith) || undefined;
  } catch {
    return undefined;
  }
}

function referenceOf(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch {
    return undefined;
  }
}
