import { Command, CommanderError } from 'commander';
import { SlipwayError } from '../errors.ts';
import type { Cli, CommandModule } from './command.ts';
import { EXIT_CODE_MEANINGS } from './exit-codes.ts';
import { keepGivenNames } from './given-names.ts';
import { type Output, renderError, withoutLeaks } from './output.ts';
import { VERSION } from './version.ts';

/** Each command is loaded when it is used: start-up costs what the command needs. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandModule>>> = {
  push: () => import('./commands/push.ts'),
  copy: () => import('./commands/copy.ts'),
  pull: () => import('./commands/pull.ts'),
  load: () => import('./commands/load.ts'),
  save: () => import('./commands/save.ts'),
  build: () => import('./commands/build.ts'),
  make: () => import('./commands/make.ts'),
  tag: () => import('./commands/tag.ts'),
  images: () => import('./commands/images.ts'),
  rmi: () => import('./commands/rmi.ts'),
  image: () => import('./commands/image.ts'),
  inspect: () => import('./commands/inspect.ts'),
  ls: () => import('./commands/ls.ts'),
  verify: () => import('./commands/verify.ts'),
  rm: () => import('./commands/rm.ts'),
  run: () => import('./commands/run.ts'),
  index: () => import('./commands/index.ts'),
  jet: () => import('./commands/jet.ts'),
  login: () => import('./commands/login.ts'),
  logout: () => import('./commands/logout.ts'),
  doctor: () => import('./commands/doctor.ts'),
  registry: () => import('./commands/registry.ts'),
  dimg: () => import('./commands/dimg.ts'),
  slug: () => import('./commands/slug.ts'),
  demo: () => import('./commands/demo.ts'),
};

/** Commands that only hold others. */
const NESTED: readonly string[] = ['image', 'index', 'registry', 'jet', 'dimg'];

/**
 * Runs one command line and tells its exit code; errors have been printed then.
 *
 * @param prepare is called when the command is known to be one, before it does anything
 */
export async function runCommandLine(
  all: readonly string[],
  streams: Output,
  signal: AbortSignal,
  prepare: () => void = () => {},
): Promise<number> {
  const output = withoutLeaks(streams);
  const isBefore = DEBUG_FLAGS.includes(all[0] ?? '');
  const args = isBefore ? all.slice(1) : all;
  const debug = { isOn: isBefore || process.env.SLIPWAY_DEBUG === '1' };
  if (args[0] === '--version' || args[0] === '-V') {
    output.out(`slipway ${VERSION}\n`);
    return 0;
  }
  try {
    await runCommand(planned(args), { output, signal, debug, prepare });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError)
      return usageExit(error, args[0] === 'plan' ? args.slice(1) : args, output);
    if (signal.aborted) {
      output.err('slipway: interrupted; running the same command again goes on from here\n');
      return 130;
    }
    const { text, exitCode } = renderError(error, debug.isOn);
    output.err(text);
    return exitCode;
  }
}

/** Whether more is told: known when the command line has been read. */
interface Debug {
  isOn: boolean;
}

const DEBUG_FLAGS = ['-D', '--debug'];
const DEBUG_HELP = 'also tell each request, without secrets (or SLIPWAY_DEBUG=1)';

/** Gives every command that does something the option. */
function addDebug(command: Command, debug: Debug): void {
  for (const child of command.commands) addDebug(child, debug);
  if (command.commands.length > 0) return;
  command.option(DEBUG_FLAGS.join(', '), DEBUG_HELP);
  command.on('option:debug', () => {
    debug.isOn = true;
  });
}

async function runCommand(
  args: readonly string[],
  run: Pick<Cli, 'output' | 'signal' | 'planned'> & {
    readonly debug: Debug;
    readonly prepare: () => void;
  },
): Promise<void> {
  const { planned, debug, prepare, ...streams } = run;
  const cli: Cli = {
    ...streams,
    args,
    get isDebug() {
      return debug.isOn;
    },
    ...(planned === undefined ? {} : { planned }),
    apply: (plan, more) => runCommand([...plan.command, ...more], { ...run, planned: plan }),
  };
  const program = await programFor(args, cli);
  addDebug(program, debug);
  program.hook('preAction', (_program, command) => {
    prepare();
    keepGivenNames(command);
  });
  await program.parseAsync(spellOut(args), { from: 'user' });
}

/** Commands that can be planned. */
const PLANNABLE: readonly string[] = ['push', 'copy', 'index', 'make', 'dimg'];

/** `plan COMMAND …` is `COMMAND --dry-run …`. */
function planned(args: readonly string[]): readonly string[] {
  if (args[0] !== 'plan') return args;
  const [, name, ...rest] = args;
  if (name === undefined || name === '--help' || name === '-h') {
    throw new SlipwayError('USAGE', 'plan stands before a whole command', {
      hint: `for example: slipway plan push REF; it goes with ${PLANNABLE.join(', ')}`,
    });
  }
  if (!PLANNABLE.includes(name)) {
    throw new SlipwayError('USAGE', `${JSON.stringify(name)} can't be planned`, {
      hint: `plan goes with ${PLANNABLE.join(', ')}`,
    });
  }
  const [part, ...others] = rest;
  // What is planned of a group of commands is the one that is named next.
  if (name === 'index' && part !== undefined) return [name, part, '--dry-run', ...others];
  // Its commands have commands of their own; what stands after -- is for none of them.
  if (name === 'dimg') {
    const end = rest.includes('--') ? rest.indexOf('--') : rest.length;
    return [name, ...rest.slice(0, end), '--dry-run', ...rest.slice(end)];
  }
  return [name, '--dry-run', ...rest];
}

async function programFor(args: readonly string[], cli: Cli): Promise<Command> {
  const program = new Command('slipway')
    .description('Publish container images to any OCI registry, with or without a daemon.')
    .option('-V, --version', 'show the version')
    .option(DEBUG_FLAGS.join(', '), DEBUG_HELP)
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => cli.output.out(text),
      // Help that was not asked for.
      writeErr: (text) => cli.output.err(text),
      outputError: () => {},
    });
  const name = args[0] ?? '';
  const isHelp = name === '' || name === '--help' || name === '-h' || name === 'help';
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined && !isHelp) {
    throw new SlipwayError('USAGE', `there is no command ${JSON.stringify(name)}`, {
      hint: 'slipway --help lists the commands',
    });
  }
  const modules = load === undefined ? Object.values(COMMANDS) : [load];
  for (const module of await Promise.all(modules.map((each) => each()))) {
    program.addCommand(inherit(module.command(cli), program));
  }
  const codes = EXIT_CODE_MEANINGS.map(([code, text]) => `  ${String(code).padStart(3)}  ${text}`);
  program.addHelpText(
    'after',
    `\nslipway plan COMMAND … shows what would be done, and does not do it; it goes with ${PLANNABLE.join(', ')}.`,
  );
  program.addHelpText('after', `\nExit codes:\n${codes.join('\n')}`);
  if (name === '') program.help();
  return program;
}

/** Commander doesn't hand these settings on to commands that were made elsewhere. */
function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
  return command;
}

/** `--insecure-registry` takes a value only with `=`. */
function spellOut(args: readonly string[]): string[] {
  const end = args.indexOf('--');
  return args.map((arg, at) =>
    arg === '--insecure-registry' && (end < 0 || at < end) ? '--insecure-registry=' : arg,
  );
}

function usageExit(error: CommanderError, args: readonly string[], output: Output): number {
  if (error.exitCode === 0) return 0;
  if (error.code === 'commander.help') return args.length === 0 ? 0 : 2;
  const message = error.message.replace(/^error: /, '');
  const [command = '', child = ''] = args;
  const isNested =
    NESTED.includes(command) && error.code !== 'commander.unknownCommand' && /^[a-z]+$/.test(child);
  const named = [command, ...(isNested ? [child] : [])].join(' ');
  const hint = `slipway ${named} --help shows how it is used`;
  const { text, exitCode } = renderError(new SlipwayError('USAGE', message, { hint }));
  output.err(text);
  return exitCode;
}
