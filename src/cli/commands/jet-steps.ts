import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { exposedFiles } from '../../jet/exposed.ts';
import type { Project } from '../../jet/pipeline.ts';
import { runPipeline } from '../../jet/pipeline-run.ts';
import { readProject } from '../../jet/project.ts';
import { allSteps } from '../../jet/step.ts';
import { parseReference } from '../../oci/reference.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { addRegistryFlags } from '../flags.ts';
import { addPipelineFlags, pipelineFlags, type StepsFlags } from '../jet-flags.ts';
import { jetTools } from '../jet-tools.ts';

/** `slipway jet steps` */
export function stepsCommand(cli: Cli): Command {
  const steps = addPipelineFlags(newCommand('steps', 'run the steps of a pipeline'))
    .option('--tag <BRANCH>', 'the branch or git tag that steps are chosen by')
    .option('--push [true|false]', 'push steps push; without it they do nothing', truth)
    .option('--no-parallel', 'members of parallel groups run one after the other');
  return addRegistryFlags(steps)
    .addHelpText('after', HELP)
    .action(async (flags: StepsFlags) => {
      const warnings: string[] = [];
      const project = await readProject(flags, (message) => warnings.push(message));
      await run(cli, flags, flags.push === true ? hostsOf(project) : [], async (context) => {
        const words = await pipelineFlags(flags);
        warnings.push(...(await exposedFiles(project, words.keyPath, context)));
        for (const message of warnings) context.emit({ type: 'warning', message });
        const { failure } = await runPipeline(project, words, jetTools(context, flags));
        context.signal.throwIfAborted();
        if (failure !== undefined) throw failure.error;
      });
    });
}

const HELP = `
Push steps build their images by the first engine that can, native before all others, and need no
running engine for that; steps with a command need Docker or Podman. Push steps that stand in a row are
one release. A manual step asks at a terminal; elsewhere the pipeline stops there.

Example:
  slipway jet steps --tag master --push`;

function hostsOf({ steps }: Project): readonly string[] {
  const hosts = [...allSteps(steps)].flatMap((step) =>
    step.kind === 'push' ? [parseReference(step.imageName.text()).host] : [],
  );
  return [...new Set(hosts)];
}

function truth(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new InvalidArgumentError('neither true nor false');
}
