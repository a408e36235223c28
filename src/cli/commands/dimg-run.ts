import type { Command } from 'commander';
import { graphOf } from '../../content/graph.ts';
import { builtStage, createStages } from '../../dimg/build-dimgs.ts';
import { containerLabels } from '../../dimg/engine-leftovers.ts';
import { onlyDimg, selectDimgs } from '../../dimg/select.ts';
import { type DimgSession, dimgTitle, shownStageName } from '../../dimg/session.ts';
import { SHELL_ENTRYPOINT } from '../../dimg/shell.ts';
import { SlipwayError } from '../../errors.ts';
import { bringImage } from '../../run/bring.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { addDimgFlags, addStageFlag, type DimgFlags } from '../dimg-flags.ts';
import { openDimgSession } from '../dimg-session.ts';
import { safeLine } from '../output.ts';
import {
  addContainerFlags,
  type ContainerFlags,
  checkStatus,
  checkTerminal,
  containerSpec,
  runHere,
} from '../run-container.ts';

interface RunFlags extends DimgFlags, ContainerFlags {
  readonly stage?: string;
}

/** `slipway dimg run [DIMG] [-- COMMAND…]` */
export function dimgRun(cli: Cli): Command {
  const command = newCommand('run', 'run a dimg that is built; without a command, a shell in it')
    .usage('[options] [DIMG] [-- COMMAND [ARG...]]')
    .argument(
      '[[DIMG] [-- COMMAND]...]',
      'name or pattern of the dimg, if there are several; -- COMMAND',
    );
  addStageFlag(addContainerFlags(addDimgFlags(command)));
  return command.action(async (words: string[], flags: RunFlags) => {
    const { patterns, command } = dimgAndCommand(words, cli.args);
    const wanted = withShell(flags, command);
    if (flags.dryRun !== true) checkTerminal(wanted);
    await run(cli, flags, [], async (context) => {
      const session = await openDimgSession(context, flags);
      const image = onlyDimg(selectDimgs(session.config, patterns));
      const signed = await createStages(session, 'leave').of(image);
      const { name, signature, root } = builtStage(signed, flags.stage);
      if (flags.dryRun === true) {
        const shown = shownCommand(session, signature, command, wanted);
        context.output.out(`${safeLine(shown)}\n`);
        return;
      }
      const spec = await containerSpec('', command, wanted);
      const { signal, emit } = context;
      const engine = await context.engine();
      const graph = graphOf(session.store, root, `${dimgTitle(image)}, stage ${name}`);
      const brought = await bringImage(engine, graph, { emit, signal });
      const entrypoint = wanted.isShell ? { entrypoint: SHELL_ENTRYPOINT } : {};
      const isInteractive = wanted.interactive === true;
      const labels = containerLabels(session.project);
      const whole = { ...spec, ...entrypoint, labels, image: brought };
      checkStatus(await runHere(engine, whole, { isInteractive, emit, signal }));
    });
  });
}

/** What stands after `--` is the command. */
function dimgAndCommand(
  words: readonly string[],
  args: readonly string[],
): { readonly patterns: readonly string[]; readonly command: readonly string[] } {
  const at = args.indexOf('--');
  const count = at < 0 ? 0 : args.length - at - 1;
  const patterns = words.slice(0, words.length - count);
  if (patterns.length < 2) return { patterns, command: words.slice(words.length - count) };
  throw new SlipwayError('USAGE', 'only one dimg can be run', {
    hint: 'a command stands after --: slipway dimg run app -- ls /',
  });
}

interface WantedRun extends ContainerFlags {
  readonly isShell: boolean;
}

/** With neither a command nor options it is a shell, as werf has it. */
function withShell(flags: RunFlags, command: readonly string[]): WantedRun {
  const { env, envFile, volume, workdir, user, entrypoint, network, interactive, tty } = flags;
  const given = { env, envFile, volume, workdir, user, entrypoint, network, interactive, tty };
  const isShell =
    command.length === 0 && Object.values(given).every((value) => value === undefined);
  return isShell
    ? { interactive: true, tty: true, isShell }
    : { ...withoutUndefined(given), isShell };
}

function withoutUndefined(
  flags: {
    readonly [K in keyof ContainerFlags]: ContainerFlags[K] | undefined;
  },
): ContainerFlags {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/** The same as a command line; values of variables may be secrets, and aren't shown. */
function shownCommand(
  session: DimgSession,
  signature: string,
  command: readonly string[],
  flags: WantedRun,
): string {
  const { env = [], envFile = [], volume = [], isShell } = flags;
  const option = (name: string, value: string | undefined) =>
    value === undefined ? [] : [name, value];
  const words = [
    ...['slipway', 'run'],
    ...(flags.interactive === true ? ['-i'] : []),
    ...(flags.tty === true ? ['-t'] : []),
    ...env.flatMap((each) => ['-e', each.replace(/=.*$/s, '=…')]),
    ...envFile.flatMap((each) => ['--env-file', each]),
    ...volume.flatMap((each) => ['-v', each]),
    ...option('-w', flags.workdir),
    ...option('-u', flags.user),
    ...option('--network', flags.network),
    ...option('--entrypoint', isShell ? '/bin/sh' : flags.entrypoint),
    shownStageName(session, signature),
    ...(isShell ? [] : command),
  ];
  return words.map(quoted).join(' ');
}

function quoted(word: string): string {
  return /^[\w@%+=:,./…-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
