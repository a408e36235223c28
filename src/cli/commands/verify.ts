import type { Command } from 'commander';
import { verifyName } from '../../upkeep/settle.ts';
import { verifyImage } from '../../upkeep/verify.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { RegistryFlags } from '../context.ts';
import { addRegistryFlags, seconds } from '../flags.ts';
import { safeJson } from '../output.ts';
import { hostsOfLocation, openPlace, parseRemote } from '../remote.ts';
import { formatBytes } from '../units.ts';

interface VerifyFlags extends RegistryFlags {
  readonly deep?: boolean;
  readonly json?: boolean;
  /** seconds */
  readonly wait?: number;
}

/** `slipway verify REF [--deep]` */
export function command(cli: Cli): Command {
  const verify = newCommand('verify', 'prove that an image is whole where it is')
    .argument(
      '<REF>',
      'HOST/PATH[:TAG][@DIGEST], or another location; with both, TAG has to name DIGEST',
    )
    .option('--deep', 'read and hash every byte')
    .option(
      '--wait <SECONDS>',
      'wait so long for what the registry does not show yet (default: 0)',
      seconds,
    )
    .option('--json', 'the result as JSON');
  return addRegistryFlags(verify).action(async (text: string, flags: VerifyFlags) => {
    const location = parseRemote(text);
    await run(cli, flags, hostsOfLocation(location), async (context) => {
      const { place, reference, name } = await openPlace(context, location);
      const deep = flags.deep === true;
      const { signal, output } = context;
      const waitMs = (flags.wait ?? 0) * 1000;
      const { tag, digest } = location.transport === 'docker' ? location.reference : {};
      if (tag !== undefined && digest !== undefined) {
        await verifyName(place, tag, digest, { signal, waitMs });
      }
      const { root, manifests, blobs, bytes } = await verifyImage(place, reference, {
        deep,
        signal,
        waitMs,
      });
      if (flags.json === true) {
        const result = { name, digest: root.digest, manifests, blobs, bytes, deep };
        output.out(`${safeJson(result, 2)}\n`);
        return;
      }
      const how = deep ? 'every byte was read and matches' : 'all of it is there';
      output.err(
        `${name}: ${count(manifests, 'manifest')} and ${count(blobs, 'blob')}, ${formatBytes(bytes)}: ${how}\n`,
      );
      output.out(`${place.name}@${root.digest}\n`);
    });
  });
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
