import { availableParallelism } from 'node:os';
import { SlipwayError } from '../errors.ts';
import type { Project } from './pipeline.ts';
import { pushAll } from './push.ts';
import { type PipelineEnd, runSteps } from './runner.ts';
import type { Tools } from './tools.ts';
import { isApproved, type PipelineFlags, prepareWorkbench } from './workbench.ts';

/**
 * Runs the steps of a project to their end, and removes what it made in the engine.
 *
 * @throws SlipwayError for what fails before the first step
 */
export async function runPipeline(
  project: Project,
  flags: PipelineFlags,
  tools: Tools,
): Promise<PipelineEnd> {
  const bench = await prepareWorkbench(project, flags, tools);
  const { containers, images, credentials } = bench;
  try {
    return await runSteps(project.steps, {
      tools,
      branch: flags.tag,
      isPushing: flags.push,
      isApproved: isApproved(flags),
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
        pushAll: (steps) =>
          pushAll(steps, { project, tools, images, credentials, facts: bench.facts() }),
        approve: bench.approve,
      },
    });
  } finally {
    await containers.close();
  }
}
