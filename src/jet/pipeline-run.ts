import { availableParallelism } from 'node:os';
import { collect, readFileBytes } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { type CiFacts, type CiFlags, ciFacts, ciVariables } from './ci.ts';
import { type Containers, createContainers } from './containers.ts';
import { createStepCredentials, type GivenCredentials } from './credentials.ts';
import type { VariableSources } from './environment.ts';
import { generatedByProgram, generatedByService } from './generated-dockercfg.ts';
import { createServiceImages } from './images.ts';
import { readKey } from './key.ts';
import type { Project } from './pipeline.ts';
import { pushAll } from './push.ts';
import { type PipelineEnd, runSteps } from './runner.ts';
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
  /** nothing is removed from the engine */
  readonly isKept: boolean;
}

/** Runs the steps of a project to their end. */
export async function runPipeline(
  project: Project,
  flags: PipelineFlags,
  tools: Tools,
): Promise<PipelineEnd> {
  const { signal, emit } = tools;
  const { dir } = project;
  const isApproved = flags.env.includes('CI_BUILD_APPROVED=true');
  let facts: CiFacts = {
    ...(await ciFacts(flags, { dir, tag: flags.tag, signal })),
    isApproved,
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
    key: sources.key,
    generate(name) {
      const service = project.services.get(name);
      if (service !== undefined) return generatedByService(service, { tools, containers });
      throw new SlipwayError('CONFIG_INVALID', `there is no service ${JSON.stringify(name)}`, {
        hint: `services are ${[...project.services.keys()].join(', ')}`,
      });
    },
    generateHere: (words) => generatedByProgram(words, { signal, dir }),
    readFile: (path) => collect(readFileBytes(path), MAX_CONFIG_BYTES, path),
  });
  const images = createServiceImages({
    tools,
    sources,
    credentials,
    isPulled: flags.pullIfPresent,
    noCache: flags.noCache,
  });
  const containers: Containers = createContainers({
    project,
    tools,
    sources,
    images,
    env: flags.env,
    ci: () => ciVariables(facts),
    pullIfPresent: flags.pullIfPresent,
    isKept: flags.isKept,
  });
  try {
    return await runSteps(project.steps, {
      tools,
      branch: flags.tag,
      isPushing: flags.push,
      isApproved,
      atOnce: flags.parallel ? availableParallelism() : 1,
      actions: {
        async runCommand({ name, service, where }, command) {
          const found = project.services.get(service);
          if (found === undefined) throw where.wrong(`names the unknown service ${service}`);
          const say = (line: string) => tools.say(`(step: ${name}) ${line}`);
          const status = await containers.run({ service: found, command, say });
          if (status === 0) return;
          throw new SlipwayError('COMMAND_FAILED', `the command ended with status ${status}`);
        },
        pushAll: (steps) => pushAll(steps, { project, tools, facts, images, credentials }),
        approve() {
          facts = { ...facts, isApproved: true };
        },
      },
    });
  } finally {
    await containers.close();
  }
}
