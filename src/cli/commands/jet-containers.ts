import { type Command, InvalidArgumentError } from 'commander';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import type { Service } from '../../jet/definition.ts';
import { exposedFiles } from '../../jet/exposed.ts';
import { leftovers } from '../../jet/leftovers.ts';
import type { Project } from '../../jet/pipeline.ts';
import { readProjectServices } from '../../jet/project.ts';
import { splitText } from '../../jet/words.ts';
import { prepareWorkbench, type Workbench } from '../../jet/workbench.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { addRegistryFlags } from '../flags.ts';
import { addPipelineFlags, pipelineFlags, type StepsFlags } from '../jet-flags.ts';
import { jetTools } from '../jet-tools.ts';
import { safeLine } from '../output.ts';
import { checkStatus, runHere } from '../run-container.ts';

/** `slipway jet run SERVICE [CMD…]` */
export function runServiceCommand(cli: Cli): Command {
  const command = addPipelineFlags(newCommand('run', 'run a service, or a command in it'))
    .usage('[options] SERVICE [COMMAND] [ARG...]')
    .argument('<SERVICE>', 'what it links to and depends on is started first')
    .argument('[COMMAND...]', "instead of the service's own")
    .option('--entrypoint <COMMAND>', "instead of the service's own; empty for none", entrypoint)
    .passThroughOptions();
  return addRegistryFlags(command).action(
    async (
      name: string,
      words: string[],
      flags: StepsFlags & { readonly entrypoint?: readonly string[] },
    ) => {
      await onService(cli, name, flags, async ({ containers, tools }, service) => {
        const { emit, signal } = tools;
        try {
          const status = await containers.run({
            service,
            say: tools.say,
            command: words.length === 0 ? undefined : words,
            entrypoint: flags.entrypoint,
            ...(hasTerminal(flags)
              ? {
                  async atTerminal(engine, spec, prepare) {
                    const how = { isInteractive: true, emit, signal, prepare };
                    return (await runHere(engine, { ...spec, tty: true }, how)) ?? 0;
                  },
                }
              : {}),
          });
          checkStatus(status);
        } finally {
          await containers.close();
        }
      });
    },
  );
}

/** `slipway jet load SERVICE` */
export function loadServiceCommand(cli: Cli): Command {
  const command = addPipelineFlags(
    newCommand('load', "build or pull a service's image, and give it to the running engine"),
  ).argument('<SERVICE>', 'a service of the project');
  return addRegistryFlags(command).action(async (name: string, flags: StepsFlags) => {
    await onService(cli, name, flags, async ({ containers, images, tools }, service) => {
      try {
        tools.say(`${service.name}: ${await containers.load(service)}`);
      } catch (error) {
        if (!isSlipwayError(error, 'NO_ENGINE') || service.build === undefined) throw error;
        // What is built is kept here, too.
        const { digest } = await (await images.built(service)).root();
        tools.say(`${service.name}: ${digest} in the local store; no engine is running`);
      }
    });
  });
}

/** `slipway jet cleanup` */
export function cleanupCommand(cli: Cli): Command {
  return newCommand('cleanup', 'remove what runs that were killed have left in the engine')
    .option('--dry-run', 'only list it')
    .addHelpText('after', '\nWhat belongs to a run that goes on, or to another machine, stays.')
    .action(async ({ dryRun }: { readonly dryRun?: boolean }) => {
      await run(cli, {}, [], async (context) => {
        const { output, signal } = context;
        for (const each of await leftovers(await context.engine(), { signal })) {
          const isGone = dryRun !== true && (await each.remove());
          const state = dryRun === true ? 'would be removed' : isGone ? 'removed' : 'is in use';
          output.out(`${safeLine(`${each.kind} ${each.name} ${state}`)}\n`);
        }
      });
    });
}

/** A container that stays has none: it is removed when the terminal is given back. */
function hasTerminal({ tty, remove }: StepsFlags): boolean {
  const isHere = process.stdin.isTTY === true && process.stdout.isTTY === true;
  return isHere && tty !== false && remove !== false;
}

async function onService(
  cli: Cli,
  name: string,
  flags: StepsFlags,
  work: (bench: Workbench, service: Service) => Promise<void>,
): Promise<void> {
  const warnings: string[] = [];
  const project = await readProjectServices(flags, (message) => warnings.push(message));
  const service = serviceNamed(project, name);
  await run(cli, flags, [], async (context) => {
    const given = await pipelineFlags(flags);
    warnings.push(...(await exposedFiles(project, given.keyPath, context)));
    for (const message of warnings) context.emit({ type: 'warning', message });
    const tools = jetTools(context, flags);
    await work(await prepareWorkbench(project, given, tools), service);
  });
}

function serviceNamed({ services, servicesFile }: Project, name: string): Service {
  const found = services.get(name);
  if (found !== undefined) return found;
  throw new SlipwayError('USAGE', `${servicesFile} defines no service ${JSON.stringify(name)}`, {
    hint: `services are ${[...services.keys()].join(', ')}`,
  });
}

function entrypoint(text: string): readonly string[] {
  if (text.trim() === '') return [''];
  const words = splitText(text);
  if (typeof words === 'string') throw new InvalidArgumentError(`it ${words}`);
  return words;
}
