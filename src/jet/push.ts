import { formatReference, type Reference } from '../oci/reference.ts';
import type { Destination, PublishedImage } from '../publish/publication.ts';
import { cacheTag } from './build-cache.ts';
import { referenceOf } from './check.ts';
import { type CiFacts, tagVariables } from './ci.ts';
import type { StepCredentials } from './credentials.ts';
import { imageTag } from './image-tag.ts';
import type { ServiceImages } from './images.ts';
import type { Project } from './pipeline.ts';
import type { PushStep } from './step.ts';
import type { Tools } from './tools.ts';

export interface PushOptions {
  readonly project: Project;
  readonly tools: Tools;
  readonly facts: CiFacts;
  readonly images: ServiceImages;
  readonly credentials: StepCredentials;
}

/** The first push step that failed, and why. */
export interface PushFailure {
  readonly step: PushStep;
  readonly error: unknown;
}

/**
 * Publishes the images of push steps that stand in a row as one release: what they share is sent
 * once, and no tag moves before all content is there.
 *
 * @returns why nothing was published, or undefined
 */
export async function pushAll(
  steps: readonly PushStep[],
  options: PushOptions,
): Promise<PushFailure | undefined> {
  const { tools } = options;
  const places = new Map<string, PublishedImage & { readonly destinations: Destination[] }>();
  const stepsBy = new Map<string, PushStep>();
  /** digests by name */
  const taken = new Map<string, string>();
  for (const step of steps) {
    try {
      const reference = await referenceFor(step, options);
      const own = await options.credentials.forPush(step.credentials, reference);
      const registries = await tools.registries(own);
      const service = serviceOf(step, options);
      const graph = await options.images.built(service);
      const target = registries.repository(reference);
      registries.expect(reference);
      const root = await graph.root();
      const { digest } = root;
      const { tag = 'latest' } = reference;
      stepsBy.set(target.name, stepsBy.get(target.name) ?? step);
      tools.say(`(step: ${step.name}) pushes ${formatReference(reference)}`);
      const image = places.get(digest) ?? { graph, destinations: [] };
      places.set(digest, image);
      const at = image.destinations.findIndex(({ target: { name } }) => name === target.name);
      const before = image.destinations[at];
      const kept = service.cached ? cacheTag(options.facts.ciBranch) : undefined;
      const full = `${target.name}:${tag}`;
      if ((taken.get(full) ?? digest) !== digest) {
        throw step.where.wrong(
          `pushes another image than an earlier step to ${full}`,
          'give each image a tag of its own',
        );
      }
      taken.set(full, digest);
      const isFree = kept !== undefined && !taken.has(`${target.name}:${kept}`);
      if (isFree) taken.set(`${target.name}:${kept}`, digest);
      // Where only steps are a cache, these go under its tag.
      const stages = isFree ? await options.images.steps(service) : undefined;
      if (isFree && stages !== undefined) {
        const { digest: index } = await stages.root();
        const beside = places.get(index) ?? { graph: stages, destinations: [] };
        places.set(index, beside);
        beside.destinations.push({ target, names: [kept], host: reference.host });
      }
      const tags = isFree && stages === undefined ? [tag, kept] : [tag];
      const names = [...new Set([...(before?.names ?? []), ...tags])];
      const destination = { target: before?.target ?? target, names, host: reference.host };
      if (at < 0) image.destinations.push(destination);
      else image.destinations[at] = destination;
    } catch (error) {
      return { step, error };
    }
  }
  const outcome = await tools.publish({ images: [...places.values()] });
  if (outcome.error === undefined) return undefined;
  const failed = outcome.destinations.find(({ status }) => status === 'failed');
  const step = stepsBy.get(failed?.ref ?? '') ?? steps[0];
  return step === undefined ? undefined : { step, error: outcome.error };
}

function serviceOf(step: PushStep, { project }: PushOptions) {
  const service = project.services.get(step.service);
  if (service === undefined) throw step.where.wrong(`names the unknown service ${step.service}`);
  return service;
}

async function referenceFor(step: PushStep, { facts }: PushOptions): Promise<Reference> {
  const { tag: written = 'latest', host, path } = referenceOf(step.imageName);
  if (step.imageTag === undefined) return { host, path, tag: written };
  const variables = tagVariables(facts, {
    name: step.name,
    service: step.service,
    image: step.imageName.text(),
  });
  return { host, path, tag: await imageTag(step.imageTag, variables) };
}
