import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Digest, isDigest } from '../oci/digest.ts';
import type { Condition } from '../publish/conditions.ts';
import type { Require } from '../publish/require.ts';
import type { RegistryFlags } from './context.ts';
import type { ImageFlags } from './flags.ts';
import { seconds, wholeNumber } from './flags.ts';
import type { ResultFlags } from './publish-results.ts';

/** Options of every publishing command, as commander gives them. */
export interface PublishFlags extends RegistryFlags, ImageFlags, ResultFlags {
  readonly allowNondistributableArtifacts?: boolean;
  readonly verify?: boolean;
  /** seconds */
  readonly wait?: number;
  readonly withReferrers?: boolean;
  readonly ifAbsent?: boolean;
  readonly ifDigest?: Digest;
  readonly require?: Require;
  /** bytes a second */
  readonly limitRate?: number;
  readonly dryRun?: boolean;
  readonly planOut?: string;
  readonly resolve?: boolean;
}

/** Adds the options that say how and whether it is published, and how results are told. */
export function addPublishFlags(command: Command): Command {
  addSendFlags(command).option(
    '--with-referrers',
    'also signatures, attestations, SBOMs and whatever else belongs to the images',
  );
  return addMoveFlags(addRequireFlag(command));
}

/** Adds the options of a command that makes something and then publishes it, which can't be planned. */
export function addReleaseFlags(command: Command): Command {
  return addConditionFlags(addRequireFlag(addTransferFlags(command)));
}

/** Adds the options that say what is sent, and how fast. */
export function addSendFlags(command: Command): Command {
  return addTransferFlags(command).option(
    '--resolve',
    'with --dry-run: compress into the local store, so that all digests are known',
  );
}

/** Adds the options that say whether tags move, and how that is told. */
export function addMoveFlags(command: Command): Command {
  command
    .option('--dry-run', 'show what would be done; nothing is sent but questions')
    .option('--plan-out <FILE>', 'with --dry-run: write the plan to FILE, for push --plan');
  return addConditionFlags(command);
}

function addRequireFlag(command: Command): Command {
  return command.addOption(
    new Option(
      '--require <N>',
      'how many registries must have all content before any tag moves: all, any or a number (default: all)',
    ).argParser(require),
  );
}

function addTransferFlags(command: Command): Command {
  return command
    .option('--allow-nondistributable-artifacts', 'send foreign layers too')
    .addOption(
      new Option('--jobs <N>', 'blobs on their way to one registry at once').argParser(atLeastOne),
    )
    .addOption(
      new Option(
        '--limit-rate <RATE>',
        'bytes a second that all uploads share; k, M and G of 1000',
      ).argParser(rate),
    );
}

function addConditionFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--if-absent',
        'only if each tag is free, or stands for this image already',
      ).conflicts('ifDigest'),
    )
    .addOption(
      new Option(
        '--if-digest <DIGEST>',
        'only if each tag stands for DIGEST, or for this image already',
      ).argParser(digest),
    )
    .option('--verify', 'read back what was published to registries, layouts and the store')
    .addOption(
      new Option(
        '--wait <SECONDS>',
        'like --verify; how long to wait for what a registry does not show yet (default: 10)',
      )
        .argParser(seconds)
        .implies({ verify: true }),
    )
    .option('--digestfile <FILE>', 'write the digest to FILE')
    .option('--image-refs <FILE>', 'write the published references to FILE')
    .addOption(new Option('--format <FORMAT>', 'of the result').choices(['text', 'json']));
}

/** The condition that was asked for. */
export function conditionOf(flags: PublishFlags): Condition | undefined {
  if (flags.ifAbsent === true) return { kind: 'absent' };
  return flags.ifDigest === undefined ? undefined : { kind: 'digest', digest: flags.ifDigest };
}

function digest(text: string): Digest {
  if (!isDigest(text)) throw new InvalidArgumentError('not a digest such as sha256:…');
  return text;
}

function require(text: string): Require {
  return text === 'all' || text === 'any' ? text : atLeastOne(text);
}

function atLeastOne(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError('at least 1');
  return value;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };

function rate(text: string): number {
  const [, number = '', unit = ''] = /^([0-9]{1,9}(?:\.[0-9]{1,3})?)([kMG]?)$/.exec(text) ?? [];
  const value = number === '' ? 0 : Math.floor(Number(number) * (UNITS[unit] ?? 1));
  if (value < 1) throw new InvalidArgumentError('not a rate such as 500k or 5M');
  return value;
}
