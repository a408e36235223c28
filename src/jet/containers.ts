import { randomBytes } from 'node:crypto';
import type { Engine } from '../engine/client.ts';
import { findEngineImage } from '../engine/images.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { familiarReference } from '../oci/reference.ts';
import { bringImage } from '../run/bring.ts';
import type { Container, ContainerSpec } from '../run/container.ts';
import { createNetwork, type Made } from '../run/networks.ts';
import { type Attached, startAttached } from './attached.ts';
import { referenceOf } from './check.ts';
import { addressOf, untilHealthy } from './container-state.ts';
import type { Service } from './definition.ts';
import { type DockerAccess, dockerAccess } from './docker-access.ts';
import { findVariables, type VariableSources } from './environment.ts';
import type { ServiceImages } from './images.ts';
import { type InnerFile, putFiles } from './inner-files.ts';
import { labelsOf } from './leftovers.ts';
import { inStartingOrder, isOnlyVolumes, namesOf } from './needed.ts';
import type { Project } from './pipeline.ts';
import type { Tools } from './tools.ts';
import { createRunVolumes, type RunVolumes } from './volumes.ts';

export interface ContainerOptions {
  readonly project: Project;
  readonly tools: Tools;
  readonly sources: VariableSources;
  readonly images: ServiceImages;
  /** `NAME=VALUE`, which override all others */
  readonly env: readonly string[];
  /** the build's own variables, which all others override */
  ci(): Readonly<Record<string, string>>;
  readonly pullIfPresent: boolean;
  readonly kept: KeptThings;
}

/** What a run leaves behind in the engine: volumes are left with the containers that only hold them. */
export type KeptThings = 'nothing' | 'volumes' | 'all';

/** What is to run, and how it shows. */
export interface Running {
  readonly service: Service;
  /** instead of the service's own command */
  readonly command?: readonly string[] | undefined;
  readonly entrypoint?: readonly string[] | undefined;
  say(line: string): void;
  /** Runs it at our own terminal, instead of telling its lines. */
  atTerminal?(
    engine: Engine,
    spec: ContainerSpec,
    prepare: (container: Container) => Promise<void>,
  ): Promise<number>;
}

/** A container, and what is put into it before it starts. */
interface ServiceSpec extends ContainerSpec {
  readonly files: readonly InnerFile[];
}

/** The containers of a run. */
export interface Containers {
  /** Runs a service with everything that it needs, removes all, and gives the exit status. */
  run(running: Running): Promise<number>;
  /** How a container of a service is made, without what it needs. */
  spec(service: Service): Promise<ServiceSpec>;
  /** Makes sure that the engine has a service's image, and gives its id there. */
  load(service: Service): Promise<string>;
  /** Removes the volumes of the run. */
  close(): Promise<void>;
}

export function createContainers(options: ContainerOptions): Containers {
  const { project, tools, images } = options;
  const { signal, emit } = tools;
  const id = randomBytes(6).toString('hex');
  const labels = labelsOf(id);
  const warn = (message: string) => emit({ type: 'warning', message });
  let networks = 0;
  let volumes: RunVolumes | undefined;
  const brought = new Map<string, Promise<string>>();

  const bring = async (engine: Engine, service: Service): Promise<string> => {
    const { image, build } = service;
    const value = build?.image ?? image;
    const name = value === undefined ? undefined : familiarReference(referenceOf(value));
    if (build === undefined && name !== undefined && !options.pullIfPresent) {
      const found = await findEngineImage(engine, name, { signal });
      if (found !== undefined) return found.id;
    }
    return await bringImage(engine, await images.of(service), { name, emit, signal });
  };
  const imageOf = (engine: Engine, service: Service): Promise<string> => {
    const known = brought.get(service.name) ?? bring(engine, service);
    brought.set(service.name, known);
    return known;
  };
  const spec = async (service: Service): Promise<ServiceSpec> => {
    const engine = await engineOf(tools);
    volumes ??= createRunVolumes(engine, { dir: project.dir, prefix: `jet-${id}`, labels });
    const binds: string[] = [];
    for (const volume of service.volumes) binds.push(await volumes.bind(volume));
    const access = service.addDocker ? dockerAccess(engine, warn) : NO_ACCESS;
    const env = await environmentOf(service, options, access.env);
    const { command, entrypoint, workingDir, user, healthcheck } = service;
    return {
      image: await imageOf(engine, service),
      labels,
      env,
      volumes: [...binds, ...access.volumes],
      files: access.files,
      ...(command === undefined ? {} : { command }),
      ...(entrypoint === undefined ? {} : { entrypoint }),
      ...(workingDir === undefined ? {} : { workingDir }),
      ...(user === undefined ? {} : { user }),
      ...(healthcheck === undefined ? {} : { healthCheck: healthcheck }),
    };
  };

  return {
    spec,
    load: async (service) => imageOf(await engineOf(tools), service),
    async close() {
      if (options.kept === 'nothing') await volumes?.remove();
    },
    async run({ service, command, entrypoint, say, atTerminal }) {
      const engine = await engineOf(tools);
      const needed = inStartingOrder(service, project);
      const begun = new Map<string, Attached>();
      let network: Made | undefined;
      const hosts: string[] = [];
      const joined = async (each: Service, more: Partial<ContainerSpec> = {}) => {
        const { files, ...own } = await spec(each);
        const ids = (name: string) => begun.get(name)?.container.id ?? '';
        const from = each.volumesFrom.map(({ service: name, mode }) => `${ids(name)}:${mode}`);
        const aliases = namesOf(each.name, [service, ...needed]);
        const made: ContainerSpec = {
          ...own,
          ...(from.length === 0 ? {} : { volumesFrom: from }),
          ...(network === undefined ? {} : { network: network.name, aliases, extraHosts: hosts }),
          ...more,
        };
        return { made, prepare: (to: string) => putFiles(engine, to, files, { signal }) };
      };
      const start = async (
        each: Service,
        { made, prepare }: Awaited<ReturnType<typeof joined>>,
        tell: Running['say'],
      ) => {
        const attached = await startAttached(engine, made, { say: tell, signal, prepare });
        begun.set(each.name, attached);
        return attached;
      };
      try {
        // Before anything is made: building takes its time, and may fail.
        for (const each of [...needed, service]) await imageOf(engine, each);
        if (needed.some((each) => !isOnlyVolumes(each, [service, ...needed]))) {
          networks += 1;
          signal?.throwIfAborted();
          // Not ended by the signal: nobody would know of a network that the engine makes all the same.
          network = await createNetwork(engine, { name: `jet-${id}-${networks}`, labels });
        }
        for (const each of needed) {
          const { container } = await start(each, await joined(each), (line) => {
            tools.say(`(service: ${each.name}) ${line}`);
          });
          if (network !== undefined) {
            // Engines have names in their networks only with a plugin that isn't always there.
            const address = await addressOf(engine, container.id, network.name, signal);
            const names = namesOf(each.name, [service, ...needed]);
            if (address !== undefined) hosts.push(...names.map((name) => `${name}:${address}`));
          }
          if (each.healthcheck !== undefined && each.healthcheck.test[0] !== 'NONE') {
            await untilHealthy(engine, container.id, each.name, signal);
          }
        }
        const main = await joined(service, {
          ...(command === undefined ? {} : { command }),
          ...(entrypoint === undefined ? {} : { entrypoint }),
        });
        if (atTerminal !== undefined) {
          return await atTerminal(engine, main.made, (container) => main.prepare(container.id));
        }
        return await (await start(service, main, say)).ended();
      } finally {
        const all = [...begun].reverse();
        const stays = (name: string) =>
          options.kept === 'volumes' &&
          isOnlyVolumes({ name }, [service, ...needed]) &&
          name !== service.name;
        await removeAll(
          all.map(([name, attached]) => ({ ...attached, isKept: stays(name) })),
          network,
          options,
        );
      }
    },
  };
}

const NO_ACCESS: DockerAccess = { volumes: [], env: {}, files: [] };

/**
 * The running engine.
 *
 * @throws SlipwayError `NO_ENGINE` that says what a pipeline needs it for
 */
async function engineOf(tools: Tools): Promise<Engine> {
  try {
    return await tools.engine();
  } catch (error) {
    if (!isSlipwayError(error, 'NO_ENGINE')) throw error;
    throw new SlipwayError('NO_ENGINE', `a command runs in a container: ${error.message}`, {
      ...error.facts,
      hint: 'start Docker or Podman, or set DOCKER_HOST; steps that only push need none',
    });
  }
}

async function environmentOf(
  service: Service,
  { sources, env, ci }: ContainerOptions,
  engine: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const found = await findVariables(service.variables, sources);
  const all = new Map(Object.entries({ ...engine, ...ci() }));
  for (const [name, { value }] of found) all.set(name, value);
  for (const word of env) {
    const [name = ''] = word.split('=', 1);
    all.set(name, word.slice(name.length + 1));
  }
  return [...all].map(([name, value]) => `${name}=${value}`);
}

async function removeAll(
  all: readonly (Attached & { readonly isKept: boolean })[],
  network: Made | undefined,
  { kept, tools }: ContainerOptions,
): Promise<void> {
  const failures: unknown[] = [];
  for (const { container, detach, isKept } of all) {
    detach();
    if (kept !== 'all' && !isKept)
      await container.remove().catch((error: unknown) => failures.push(error));
  }
  if (kept !== 'all') await network?.remove().catch((error: unknown) => failures.push(error));
  const [first] = failures;
  if (first === undefined) return;
  const why = first instanceof Error ? first.message : String(first);
  const message = `something of this run stays in the engine: ${why}; slipway jet cleanup removes it`;
  tools.emit({ type: 'warning', message });
}
