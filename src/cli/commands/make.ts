import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { fileError } from '../../bytes/stream.ts';
import { SlipwayError } from '../../errors.ts';
import type { Call, Site, Wanted } from '../../make/call.ts';
import { namesOf } from '../../make/names.ts';
import { readMakeSettings } from '../../make/settings-file.ts';
import { findTargets } from '../../make/targets.ts';
import { resolveVariables } from '../../make/variables.ts';
import { versionFinder } from '../../make/version.ts';
import { parseMakeWords } from '../../make/words.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';
import { addRegistryFlags } from '../flags.ts';
import { derive, openImage } from '../open.ts';
import { safeJson, safeLine } from '../output.ts';
import { addReleaseFlags, type PublishFlags } from '../publish-flags.ts';
import { publishOrPlan } from '../publishing.ts';
import { formatTable } from '../table.ts';

interface MakeFlags extends PublishFlags {
  readonly directory?: string;
}

/** `slipway make TARGET… [VAR=VALUE…]` */
export function command(cli: Cli): Command {
  const make = newCommand('make', 'build, push and join images by architecture, version and date')
    .usage('[options] TARGET... [VAR=VALUE...]')
    .argument('[TARGET...]', 'targets and assignments, in any order; help lists them')
    .option('-C, --directory <DIR>', 'the folder of the image (default: this one)')
    .option('--dry-run', 'show what would be done; nothing is sent but questions')
    .option(
      '--resolve',
      'with --dry-run: compress into the local store, so that all digests are known',
    );
  return addRegistryFlags(addReleaseFlags(make))
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: MakeFlags) => {
      await makeAll(cli, words, flags);
    });
}

const HELP = `
slipway make help lists targets and variables; slipway.yaml and docs/make.md say more.

Examples:
  slipway make build push ARCH=aarch64 REGISTRY=localhost:5000
  slipway make annotate_latest annotate_version annotate_date VERSION=1.2
  slipway make rollback BUILDDATE=20250619`;

async function makeAll(cli: Cli, words: readonly string[], flags: MakeFlags): Promise<void> {
  const { targets, assigned } = parseMakeWords(words);
  if (targets.length === 0) {
    throw new SlipwayError('USAGE', 'no target was named', {
      hint: 'slipway make help lists them',
    });
  }
  const made = findTargets(targets);
  const folder = resolve(flags.directory ?? '.');
  await access(folder).catch((error: unknown) => {
    throw fileError(folder, error);
  });
  const settings = await readMakeSettings(folder);
  const env = process.env;
  const variables = resolveVariables({ assigned, env, settings, now: new Date() });
  await run(cli, flags, [variables.registry], async (context) => {
    const site = siteOf(cli, context, flags, folder);
    const names = namesOf(variables, settings);
    const parts = { site, settings, variables, names };
    const call: Call = { ...parts, version: versionFinder(parts) };
    // The first failure ends it.
    for (const make of made) await make(call);
  });
}

function siteOf(cli: Cli, context: Context, flags: MakeFlags, folder: string): Site {
  const { output, signal, emit } = context;
  return {
    signal,
    emit,
    isDryRun: flags.dryRun === true,
    isJson: flags.format === 'json',
    folder,
    env: process.env,
    tell: (line) => output.out(`${safeLine(line)}\n`),
    tellJson: (value) => output.out(`${safeJson(value, 2)}\n`),
    say: (line) => {
      // Who asked for JSON lines gets nothing else.
      const isSilent = flags.quiet === true || ['json', 'none'].includes(flags.progress ?? '');
      if (!isSilent) output.err(`${safeLine(line)}\n`);
    },
    table: (headings, rows) => {
      output.out(
        formatTable(
          headings,
          rows.map((cells) => cells.map((cell) => safeLine(cell))),
        ),
      );
    },
    home: context.home,
    hints: context.hints,
    store: context.store,
    registries: context.registries,
    engine: context.engine,
    openLocal: (reference) => openImage(context, { transport: 'store', reference }),
    derive: (graph) => derive(context, graph, {}),
    publish: (open: () => Promise<Wanted>) => publishOrPlan(cli, context, flags, open),
    hear: ({ stream, bytes }) =>
      new Promise((resolve, reject) => {
        process[stream].write(bytes, (error) => (error == null ? resolve() : reject(error)));
      }),
    async build(args) {
      const { command: build } = await import('./build.ts');
      const all = [...handedOn(flags), ...args];
      await build({ ...cli, args: ['build', ...all] }).parseAsync(all, { from: 'user' });
    },
    onClose: context.onClose,
  };
}

/** The options about registries and output, for a build. */
function handedOn(flags: MakeFlags): readonly string[] {
  const each = (option: string, values: readonly string[] = []): readonly string[] =>
    values.map((value) => `${option}=${value}`);
  return [
    ...each('--plain-http', flags.plainHttp),
    ...each('--skip-tls-verify', flags.skipTlsVerify),
    ...each('--insecure-registry', flags.insecureRegistry),
    ...(flags.tokenRealm === undefined ? [] : ['--token-realm', flags.tokenRealm]),
    ...(flags.retries === undefined ? [] : [`--retries=${flags.retries}`]),
    ...(flags.idleTimeout === undefined ? [] : [`--idle-timeout=${flags.idleTimeout}`]),
    ...(flags.progress === undefined ? [] : [`--progress=${flags.progress}`]),
    ...(flags.format === undefined ? [] : [`--format=${flags.format}`]),
    ...(flags.quiet === true ? ['--quiet'] : []),
  ];
}
