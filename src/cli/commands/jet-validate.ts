import type { Command } from 'commander';
import { exposedFiles } from '../../jet/exposed.ts';
import { findKey } from '../../jet/key.ts';
import type { Project } from '../../jet/pipeline.ts';
import { readProject } from '../../jet/project.ts';
import { allSteps } from '../../jet/step.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { addProjectFlags, type ProjectFlags } from '../jet-flags.ts';

/** `slipway jet validate` */
export function validateCommand(cli: Cli): Command {
  return addProjectFlags(newCommand('validate', 'check the services and steps files')).action(
    async (flags: ProjectFlags) => {
      await run(cli, {}, [], async ({ emit, output, signal }) => {
        const project = await readProject(flags, (message) => emit({ type: 'warning', message }));
        const exposed = await exposedFiles(project, await findKey(project.dir), { signal });
        for (const message of exposed) emit({ type: 'warning', message });
        output.out(`${describe(project)}\n`);
      });
    },
  );
}

function describe({ servicesFile, stepsFile, services, steps }: Project): string {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  const all = [...allSteps(steps)].filter(({ kind }) => kind === 'run' || kind === 'push');
  return [
    `${servicesFile}: ${count(services.size, 'service')}`,
    `${stepsFile}: ${count(all.length, 'step')}`,
    'valid',
  ].join('\n');
}
