import { isSlipwayError } from '../errors.ts';
import { formatRepository, parseReference, type Reference } from '../oci/reference.ts';
import type { CredentialWords, Service } from './definition.ts';
import type { Value } from './document.ts';
import { neededBy } from './needed.ts';
import type { Project } from './pipeline.ts';
import type { Warn } from './services-file.ts';
import { allSteps, type PushStep } from './step.ts';

/** Of services that need each other: nobody writes more, and each is a call inside of the last. */
const LONGEST_CHAIN = 500;

/**
 * Checks what services and steps say about each other.
 *
 * @throws SlipwayError `CONFIG_INVALID`
 */
export function checkProject({ services, steps }: Project, warn: Warn): void {
  const known = (name: string, where: Value): Service => {
    const found = services.get(name);
    if (found !== undefined) return found;
    throw where.wrong(
      `names the service ${JSON.stringify(name)}, which is not defined`,
      `services are ${[...services.keys()].join(', ')}`,
    );
  };
  const checkCredentials = ({ dockercfgService }: CredentialWords): void => {
    if (dockercfgService !== undefined) known(dockercfgService.text(), dockercfgService);
  };
  for (const service of services.values()) {
    const { links, dependsOn, volumesFrom, credentials } = service;
    for (const link of [...links, ...dependsOn, ...volumesFrom]) known(link.service, link.where);
    checkCredentials(credentials);
    imageOf(service);
  }
  refuseCircles(services, neededBy);
  refuseCircles(services, generatorOf);
  refuseSameImage([...services.values()]);
  for (const step of allSteps(steps)) {
    checkCredentials(step.credentials);
    if (step.kind !== 'run' && step.kind !== 'push') continue;
    const service = known(step.service, step.where.fields().get('service') ?? step.where);
    for (const { service: other } of step.onFail) known(other, step.where);
    if (step.kind === 'push') checkPush(step, service, warn);
  }
}

/** The services that write a docker config for others. */
export function generatorsOf({ services, steps }: Project): ReadonlySet<string> {
  const all = [...services.values(), ...allSteps(steps)];
  return new Set(all.flatMap(generatorOf));
}

function generatorOf({ credentials: { dockercfgService } }: Pick<Service, 'credentials'>) {
  return dockercfgService === undefined ? [] : [dockercfgService.text()];
}

function refuseCircles(
  services: ReadonlyMap<string, Service>,
  nextOf: (service: Service) => readonly string[],
): void {
  const done = new Set<string>();
  const trail = new Set<string>();
  const visit = (name: string): void => {
    const service = services.get(name);
    if (service === undefined || done.has(name)) return;
    if (trail.has(name)) {
      const all = [...trail, name];
      const circle = all.slice(all.indexOf(name)).join(' → ');
      throw service.where.wrong(
        `needs itself: ${circle}`,
        'leave one of the links, or dockercfg_service, out',
      );
    }
    if (trail.size === LONGEST_CHAIN) {
      throw service.where.wrong(`is at the end of a chain of more than ${LONGEST_CHAIN} services`);
    }
    trail.add(name);
    for (const next of nextOf(service)) visit(next);
    trail.delete(name);
    done.add(name);
  };
  for (const name of services.keys()) visit(name);
}

/** The name of the image that a service's containers are made of, if it has one. */
function imageOf({ build, image }: Service): Reference | undefined {
  const value = build === undefined ? image : build.image;
  return value === undefined ? undefined : referenceOf(value);
}

/** @throws SlipwayError `CONFIG_INVALID` that tells where it is written */
export function referenceOf(value: Value): Reference {
  try {
    return parseReference(value.text(), { defaultTag: false });
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    throw value.wrong(`is no name of an image: ${error.message}`, error.hint);
  }
}

function refuseSameImage(services: readonly Service[]): void {
  const built = new Map<string, Service>();
  for (const service of services) {
    const value = service.build?.image;
    if (value === undefined) continue;
    const { tag = 'latest', ...repository } = referenceOf(value);
    const name = `${formatRepository(repository)}:${tag}`;
    const other = built.get(name);
    if (other !== undefined && buildKey(other) !== buildKey(service)) {
      throw value.wrong(
        `is ${JSON.stringify(value.text())}, which the service ${other.name} builds too`,
        'give each image that is built its own name',
      );
    }
    built.set(name, service);
  }
}

/** Services that build the same thing the same way may share its name. */
function buildKey({ build }: Service): string {
  if (build === undefined) return '';
  const { context, dockerfile, args } = build;
  const { plain, files, encrypted, encryptedFiles } = args;
  const paths = [...files, ...encryptedFiles].map((value) => value.text());
  const secret = encrypted.map(({ name, text }) => [name, text]);
  return JSON.stringify([context, dockerfile, plain, paths, secret]);
}

/** The rulings for image names and registries of push steps. */
function checkPush({ imageName, registry }: PushStep, { name, build }: Service, warn: Warn): void {
  const pushed = referenceOf(imageName);
  if (pushed.digest !== undefined) throw imageName.wrong('holds a digest', 'leave it out');
  if (build === undefined) {
    throw imageName.wrong(
      `is to be pushed, and the service ${name} builds no image`,
      `give ${name} a build, with image: ${imageName.text()}`,
    );
  }
  if (build.image !== undefined) {
    const built = referenceOf(build.image);
    const isSame = formatRepository(built) === formatRepository(pushed);
    const isSameTag = built.tag === undefined || (pushed.tag ?? built.tag) === built.tag;
    if (!isSame || !isSameTag) {
      throw imageName.wrong(
        `is ${JSON.stringify(imageName.text())}, but the service ${name} builds ${JSON.stringify(build.image.text())}`,
        `write the same name in both; ${build.image.where} has the other one`,
      );
    }
  }
  if (registry === undefined) return;
  const host = registryHost(registry, warn);
  if (host !== pushed.host) {
    warn(
      `${registry.where}: ${registry.field} is ${host}, and ${JSON.stringify(imageName.text())} goes to ${pushed.host}, with the credentials for that`,
    );
  }
}

/** The host in the field `registry`; a path after it means nothing. */
function registryHost(registry: Value, warn: Warn): string {
  const text = registry.text();
  const rest = text.replace(/^https?:\/\//, '');
  const [host = '', ...path] = rest.split('/');
  if (host === '') throw registry.wrong('names no registry', 'for example quay.io');
  const isHub = ['index.docker.io', 'docker.io', 'registry-1.docker.io'].includes(host);
  const extra = path.filter((part) => part !== '').join('/');
  if (!isHub && extra !== '' && !/^v[12]$/.test(extra)) {
    warn(
      `${registry.where}: ${registry.field} has a path; credentials are those for the host ${host}`,
    );
  } else if (!isHub && path.length > 0 && extra === '') {
    warn(`${registry.where}: ${registry.field} ends in a slash, which is ignored`);
  }
  return isHub ? 'docker.io' : host;
}
