import type { Command } from 'commander';
import { diagnose, scratchRepository } from '../../upkeep/doctor.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { RegistryFlags } from '../context.ts';
import { addRegistryFlags } from '../flags.ts';
import { safeJson } from '../output.ts';
import { formatTable } from '../table.ts';

interface DoctorFlags extends RegistryFlags {
  readonly json?: boolean;
}

/** `slipway doctor HOST` */
export function command(cli: Cli): Command {
  const doctor = newCommand('doctor', 'find out what a registry can do, and whether we may push')
    .argument('<HOST>', 'HOST[:PORT], or HOST/PATH: a repository to try it in')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `
How large a body may be is not tried: only sending one that large would tell. A push whose body is
refused as too large goes on in smaller parts, and that is remembered for a week.`,
    );
  return addRegistryFlags(doctor).action(async (text: string, flags: DoctorFlags) => {
    const name = scratchRepository(text);
    await run(cli, flags, [name.host], async ({ registries, signal, output }) => {
      const { findings, ...rest } = await diagnose(await registries(), name, { signal });
      if (flags.json === true) {
        const abilities = Object.fromEntries(
          findings.map(({ ability, isAble }) => [ability, isAble ?? null]),
        );
        output.out(`${safeJson({ ...rest, abilities }, 2)}\n`);
        return;
      }
      output.err(`tried in ${rest.repository}: ${rest.kind}\n`);
      for (const kept of rest.left) output.err(`the registry did not let go of ${kept}\n`);
      output.out(
        formatTable(
          ['ABILITY', 'RESULT', 'MEANING'],
          findings.map(({ ability, isAble, meaning }) => [
            ability,
            isAble === undefined ? 'unknown' : isAble ? 'yes' : 'no',
            meaning,
          ]),
        ),
      );
      if (rest.minChunkBytes > 0) {
        output.err(`no chunk may be smaller than ${rest.minChunkBytes} bytes\n`);
      }
    });
  });
}
