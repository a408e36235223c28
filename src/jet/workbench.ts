import { SlipwayError } from '../errors.ts';
import { generatorsOf } from './check.ts';
import { type CiFacts, type CiFlags, ciFacts, ciVariables } from './ci.ts';
import { type Containers, createContainers, type KeptThings } from './containers.ts';
import {
  createStepCredentials,
  type GivenCredentials,
  type StepCredentials,
} from './credentials.ts';
import type { VariableSources } from './environment.ts';
import { generatedByProgram, generatedByService } from './generated-dockercfg.ts';
import { createServiceImages, type ServiceImages } from './images.ts';
import { readKey } from './key.ts';
import type { Project } from './pipeline.ts';
import { readProjectFile } from './project-file.ts';
import type { Tools } from './tools.ts';

const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/** What the command line says about a run. */
export interface PipelineFlags extends CiFlags, GivenCredentials {
  /** branch or git tag that the run is for */
  readonly tag?: string | undefined;
  readonly push: boolean;
  /** `NAME=VALUE`, for every container */
  readonly env: readonly string[];
  /** absolute */
  readonly keyPath: string;
  readonly noCache: boolean;
  /** look in registries for images that are here already */
  readonly pullIfPresent: boolean;
  readonly parallel: boolean;
  readonly kept: KeptThings;
}

/** What commands of a project work with. */
export interface Workbench {
  readonly project: Project;
  readonly tools: Tools;
  readonly images: ServiceImages;
  readonly credentials: StepCredentials;
  readonly containers: Containers;
  facts(): CiFacts;
  /** From now on containers are told that somebody has approved. */
  approve(): void;
}

/** Prepares what a project's containers, images and pushes need; nothing is begun. */
export async function prepareWorkbench(
  project: Project,
  flags: PipelineFlags,
  tools: Tools,
): Promise<Workbench> {
  const { signal, emit } = tools;
  const { dir } = project;
  let facts: CiFacts = {
    ...(await ciFacts(flags, { dir, tag: flags.tag, signal })),
    isApproved: isApproved(flags),
  };
  let key: Promise<Buffer> | undefined;
  const sources: VariableSources = {
    dir,
    get ours() {
      return { ...process.env, ...ciVariables(facts) };
    },
    key() {
      key ??= readKey(flags.keyPath, (message) => emit({ type: 'warning', message }));
      return key;
    },
  };
  const credentials = createStepCredentials({
    dir,
    given: flags,
    generators: new Set([...generatorsOf(project), flags.dockercfgService ?? '']),
    key: sources.key,
    generate(name) {
      const service = project.services.get(name);
      if (service !== undefined) return generatedByService(service, { tools, containers });
      throw new SlipwayError('CONFIG_INVALID', `there is no service ${JSON.stringify(name)}`, {
        hint: `services are ${[...project.services.keys()].join(', ')}`,
      });
    },
    generateHere: (words) => generatedByProgram(words, { signal, dir }),
    readFile: (path) => readProjectFile(path, MAX_CONFIG_BYTES, path),
  });
  const images = createServiceImages({
    tools,
    sources,
    credentials,
    isPulled: flags.pullIfPresent,
    keyPath: flags.keyPath,
    noCache: flags.noCache,
    branch: facts.ciBranch,
  });
  const containers = createContainers({
    project,
    tools,
    sources,
    images,
    env: flags.env,
    ci: () => ciVariables(facts),
    pullIfPresent: flags.pullIfPresent,
    kept: flags.kept,
  });
  return {
    project,
    tools,
    images,
    credentials,
    containers,
    facts: () => facts,
    approve() {
      facts = { ...facts, isApproved: true };
    },
  };
}

/** Somebody has approved the manual steps before the run began. */
export function isApproved({ env }: Pick<PipelineFlags, 'env'>): boolean {
  return env.includes('CI_BUILD_APPROVED=true');
}
