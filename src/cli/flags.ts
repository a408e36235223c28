import { type Command, InvalidArgumentError, Option } from 'commander';
import { checkLevel } from '../bytes/gzip.ts';
import type { CompressionSettings } from '../content/derivations/compress.ts';
import { SlipwayError } from '../errors.ts';
import type { MediaTypeFamily } from '../oci/mediatype.ts';
import { type Platform, parsePlatform } from '../oci/platform.ts';
import { isHost } from '../oci/reference.ts';
import { PROGRESS_STYLES } from './report/reporter.ts';

/** Adds the options that say how registries are spoken to, and as whom. */
export function addRegistryFlags(command: Command): Command {
  return addCredentialFlags(addConnectionFlags(command))
    .addOption(
      new Option('--progress <STYLE>', 'how progress is shown')
        .choices([...PROGRESS_STYLES])
        .default('auto'),
    )
    .option('-q, --quiet', 'show results and errors only');
}

function addCredentialFlags(command: Command): Command {
  command.addOption(
    new Option(
      '--creds <[HOST=]USER[:PASS]>',
      'log in as USER, to HOST or the one registry of this command; repeatable; without PASS it is asked for',
    ).argParser((text: string, before: readonly string[] = []) => [...before, text]),
  );
  command.addOption(
    new Option(
      '--identity <HOW>',
      'auto: log in to registries of AWS, Google, Azure, GitHub and Quay as the CI job, cloud machine or user that this is',
    ).choices(['auto']),
  );
  return addHelperFlags(command, 'look for logins in FILE first: a docker config or an auth.json');
}

/** Adds the options that say where logins are kept. */
export function addHelperFlags(command: Command, authfile: string): Command {
  return command
    .option('--authfile <FILE>', authfile)
    .option(
      '--helper-timeout <SECONDS>',
      'how long a credential helper may take (default: 30)',
      positive,
    );
}

/** Adds the options that say how registries are spoken to. */
export function addConnectionFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--insecure-registry [HOST]',
        'for HOST (with =) or the hosts of this command: certificates are not checked, and plain http is used where there is no TLS',
      ).argParser(collectHosts),
    )
    .addOption(
      new Option('--plain-http <HOST>', 'speak to HOST without encryption').argParser(collectHosts),
    )
    .addOption(
      new Option('--skip-tls-verify <HOST>', 'do not check the certificate of HOST').argParser(
        collectHosts,
      ),
    )
    .addOption(
      new Option('--token-realm <POLICY>', 'which login services may be given the password')
        .choices(['auto', 'same-site', 'any'])
        .default('auto'),
    )
    .option(
      '--idle-timeout <SECONDS>',
      'give a connection up after so long without a byte (default: 60)',
      positive,
    )
    .option('--retries <N>', 'how often a failed step is repeated (default: 7)', wholeNumber);
}

/** Options of what is published, as commander gives them. */
export interface ImageFlags {
  readonly platform?: readonly string[];
  readonly single?: boolean;
  readonly allPlatforms?: boolean;
  readonly compression?: 'gzip' | 'zstd' | 'gzip,zstd' | 'none' | 'keep';
  readonly compressionLevel?: number;
  readonly forceCompression?: boolean;
  readonly types?: MediaTypeFamily;
}

/** Adds the options that choose and change what is published. */
export function addImageFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--platform <LIST>',
        'only these platforms of an index: os/arch[/variant], comma-separated or repeated; host is this machine',
      ).argParser(collectList),
    )
    .option('--single', 'with one --platform: its bare manifest instead of an index')
    .option('--all-platforms', 'the image as it is stored, whatever --platform says')
    .addOption(
      new Option(
        '--compression <FORMAT>',
        'how layers that are not compressed are sent; none and keep leave them, gzip,zstd makes both variants of one index (default: gzip)',
      ).choices(['gzip', 'zstd', 'gzip,zstd', 'none', 'keep']),
    )
    .option(
      '--compression-level <N>',
      'gzip 1 to 9 (default: 1), zstd 1 to 19 (default: 2)',
      wholeNumber,
    )
    .option(
      '--force-compression',
      'also compress layers anew that are compressed already: digests change',
    )
    .addOption(
      new Option(
        '--types <FAMILY>',
        'media types of manifests that are made, for layers that are not compressed yet (default: as the image has them)',
      ).choices(['oci', 'docker']),
    );
}

/** The platforms that were asked for; undefined means all. */
export function wantedPlatforms(flags: ImageFlags): readonly Platform[] | undefined {
  if (flags.allPlatforms === true || flags.platform === undefined) {
    if (flags.single === true) throw singleNeedsOne();
    return undefined;
  }
  const platforms = flags.platform.map((text) => parsePlatform(text));
  if (flags.single === true && platforms.length !== 1) throw singleNeedsOne();
  return platforms;
}

function singleNeedsOne(): SlipwayError {
  return new SlipwayError('USAGE', '--single goes with exactly one --platform', {
    hint: 'say which platform, for example --platform linux/amd64 --single',
  });
}

/** How layers are to be compressed, each variant; none leaves them as they are. */
export function compressionSettings(flags: ImageFlags): readonly CompressionSettings[] {
  const format = flags.compression ?? 'gzip';
  if (format === 'none' || format === 'keep') {
    if (flags.forceCompression !== true) return [];
    throw new SlipwayError(
      'USAGE',
      `--force-compression does not go with --compression ${format}`,
      {
        hint: 'say --compression gzip or --compression zstd, or leave one of them out',
      },
    );
  }
  if (format === 'gzip,zstd') return bothVariants(flags);
  const level = flags.compressionLevel;
  if (level !== undefined) checkLevel(format, level, format === 'gzip' ? 9 : 19);
  return [{ format, ...(level === undefined ? {} : { level }) }];
}

function bothVariants(flags: ImageFlags): readonly CompressionSettings[] {
  const wrong =
    flags.compressionLevel !== undefined
      ? '--compression-level'
      : flags.single === true
        ? '--single'
        : flags.types === 'docker'
          ? '--types docker'
          : undefined;
  if (wrong === undefined) return [{ format: 'gzip' }, { format: 'zstd' }];
  throw new SlipwayError('USAGE', `${wrong} does not go with both variants in one index`, {
    hint: 'say --compression gzip or --compression zstd',
  });
}

/** Collects a repeatable option whose values may hold commas. */
export function collectList(text: string, before: readonly string[] = []): readonly string[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === '')) throw new InvalidArgumentError('an empty item in a list');
  return [...new Set([...before, ...parts])];
}

function collectHosts(text: string, before: readonly string[] = []): readonly string[] {
  if (text !== '' && !isHost(text)) throw new InvalidArgumentError('not a HOST[:PORT]');
  return [...before, text];
}

export function wholeNumber(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('not a whole number');
  return Number(text);
}

export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400)) throw new InvalidArgumentError('not a number above 0');
  return value;
}

/** Seconds, 0 allowed. */
export function seconds(text: string): number {
  return text === '0' ? 0 : positive(text);
}
