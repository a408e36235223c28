import type { Command } from 'commander';
import { matchesWhole, type PatternStep } from '../../bytes/text-pattern.ts';
import type { EngineImage } from '../../engine/images.ts';
import { SlipwayError } from '../../errors.ts';
import { type Digest, shortDigest } from '../../oci/digest.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { familiarRepository, parseReference, type Reference } from '../../oci/reference.ts';
import { type LocalImage, listLocalImages, type PlatformImage } from '../../upkeep/local-images.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { listInEngine } from '../engine-images.ts';
import { safeJson, safeLine } from '../output.ts';
import { fillTemplate, formatTable } from '../table.ts';
import { formatAge, formatBytes } from '../units.ts';

interface ImagesFlags {
  readonly quiet?: boolean;
  readonly trunc?: boolean;
  readonly digests?: boolean;
  readonly format?: string;
  readonly filter?: readonly string[];
  readonly names?: boolean;
  /** false for --no-engine */
  readonly engine?: boolean;
}

/** `slipway images [REPOSITORY[:TAG]]`, also as `slipway image ls`. */
export function command(cli: Cli): Command {
  return newCommand('images', 'list local images, and those of a running engine')
    .argument('[REPOSITORY[:TAG]]', 'only these')
    .option('-a, --all', 'accepted for docker users; nothing is hidden')
    .option('-q, --quiet', 'only image ids')
    .option('--no-trunc', 'whole ids')
    .option('--digests', 'a column with digests')
    .option('--names', 'full names in one column')
    .option('--no-engine', 'the local store only, without the images of a running Docker or Podman')
    .option('-f, --filter <FILTER>', 'dangling=true|false, or reference=PATTERN', collect)
    .option('--format <FORMAT>', 'table, json, or fields as {{.Repository}}')
    .action(async (only: string | undefined, flags: ImagesFlags) => {
      await run(cli, { quiet: true }, [], async (context) => {
        const { store, signal, output } = context;
        const isWanted = matcher(only, flags.filter ?? []);
        const [stored, inEngine] = await Promise.all([
          store().then((layout) => listLocalImages(layout, { signal })),
          flags.engine === false ? undefined : listInEngine(context),
        ]);
        const rows = [
          ...stored.flatMap(storedRows),
          ...(inEngine?.images ?? []).flatMap((image) => engineRows(image, inEngine?.product)),
        ];
        output.out(render(rows.filter(isWanted), flags));
      });
    });
}

interface Row {
  readonly name: string | undefined;
  readonly id: Digest;
  /** of what registries know; engines that take images apart don't know it */
  readonly digest: Digest | undefined;
  readonly created: string | undefined;
  readonly platform: Platform | undefined;
  readonly unpackedBytes: number | undefined;
  readonly blobBytes: number | undefined;
  /** where it is, if not in the store */
  readonly engine: string;
}

function storedRows({ name, root, platforms }: LocalImage): readonly Row[] {
  const shown: readonly (PlatformImage | undefined)[] =
    platforms.length === 0 ? [undefined] : platforms;
  return shown.map((image) => ({
    name,
    id: root.digest,
    digest: root.digest,
    created: image?.config?.created,
    platform: image?.platform,
    unpackedBytes: image?.unpackedBytes,
    blobBytes: image?.blobBytes,
    engine: '',
  }));
}

function engineRows(image: EngineImage, engine = ''): readonly Row[] {
  const names = image.names.length === 0 ? [undefined] : image.names;
  return names.map((name) => ({
    name,
    id: image.id,
    digest: undefined,
    created: image.created,
    platform: image.platform,
    unpackedBytes: image.sizeBytes,
    blobBytes: undefined,
    engine,
  }));
}

/** Other tools may have written names that aren't references; they are shown as they are. */
function parseName(name: string): Reference {
  try {
    return parseReference(name);
  } catch {
    return { host: '', path: name };
  }
}

function render(rows: readonly Row[], flags: ImagesFlags): string {
  const fields = rows.map((row) => fieldsOf(row, flags.trunc !== false));
  if (flags.quiet === true) {
    return [...new Set(fields.map((row) => `${row.ID}\n`))].join('');
  }
  const format = flags.format ?? 'table';
  if (format === 'json') return fields.map((row) => `${safeJson(row)}\n`).join('');
  if (format !== 'table') {
    return fields
      .map((row) => {
        const text = fillTemplate(format, row);
        if (text !== undefined) return `${text}\n`;
        throw new SlipwayError('USAGE', `--format ${JSON.stringify(format)} can't be used`, {
          hint: `fields are ${Object.keys(row)
            .map((name) => `{{.${name}}}`)
            .join(' ')}; or say json`,
        });
      })
      .join('');
  }
  const columns: readonly (readonly [string, string])[] = [
    ...(flags.names === true
      ? ([['NAME', 'Name']] as const)
      : ([
          ['REPOSITORY', 'Repository'],
          ['TAG', 'Tag'],
        ] as const)),
    ...(flags.digests === true ? ([['DIGEST', 'Digest']] as const) : []),
    ['IMAGE ID', 'ID'],
    ['CREATED', 'CreatedSince'],
    ['PLATFORM', 'Platform'],
    ['SIZE', 'Size'],
    ['BLOB SIZE', 'BlobSize'],
    ...(rows.some(({ engine }) => engine !== '') ? ([['ENGINE', 'Engine']] as const) : []),
  ];
  return formatTable(
    columns.map(([heading]) => heading),
    fields.map((row) => columns.map(([, field]) => row[field] ?? '')),
  );
}

function fieldsOf(row: Row, isShort: boolean): Record<string, string> {
  const { name, id, digest, created, platform, unpackedBytes, blobBytes, engine } = row;
  const reference = name === undefined ? undefined : parseName(name);
  return {
    Repository: reference === undefined ? '<none>' : safeLine(repositoryOf(reference)),
    Tag: reference?.tag ?? '<none>',
    Name: name === undefined ? '<none>' : safeLine(name),
    Digest: digest ?? '<none>',
    ID: isShort ? shortDigest(id) : id,
    CreatedAt: safeLine(created ?? ''),
    CreatedSince: formatAge(created),
    Platform: platform === undefined ? '' : safeLine(formatPlatform(platform)),
    Size: unpackedBytes === undefined ? '-' : formatBytes(unpackedBytes),
    BlobSize: blobBytes === undefined ? '-' : formatBytes(blobBytes),
    Engine: engine,
  };
}

function repositoryOf(reference: Reference): string {
  return reference.host === '' ? reference.path : familiarRepository(reference);
}

function matcher(
  only: string | undefined,
  filters: readonly string[],
): (image: Pick<Row, 'name'>) => boolean {
  const tests = filters.map(parseFilter);
  if (only !== undefined) {
    const wanted = parseReference(only, { defaultTag: false });
    tests.push(({ name }) => {
      const reference = name === undefined ? undefined : parseName(name);
      if (reference?.host !== wanted.host || reference.path !== wanted.path) return false;
      return wanted.tag === undefined || wanted.tag === reference.tag;
    });
  }
  return (image) => tests.every((test) => test(image));
}

function parseFilter(text: string): (image: Pick<Row, 'name'>) => boolean {
  const [key, value = ''] = text.split(/=(.*)/s);
  if (key === 'dangling' && (value === 'true' || value === 'false')) {
    return ({ name }) => (name === undefined) === (value === 'true');
  }
  if (key === 'reference' && value !== '') {
    const pattern = globMatcher(value);
    return ({ name }) => {
      if (name === undefined) return false;
      const reference = parseName(name);
      const repository = repositoryOf(reference);
      return pattern(repository) || pattern(`${repository}:${reference.tag ?? ''}`);
    };
  }
  throw new SlipwayError('USAGE', `invalid filter ${JSON.stringify(text)}`, {
    hint: 'filters are dangling=true, dangling=false and reference=PATTERN',
  });
}

/** `*` and `?` within a path component; linear in time, for patterns come from users. */
function globMatcher(pattern: string): (text: string) => boolean {
  const isInName = (character: string) => character !== '/';
  const steps = pattern.split('').map((expected): PatternStep => {
    if (expected === '*') return { takes: isInName, repeats: true };
    if (expected === '?') return { takes: isInName };
    return { takes: (character) => character === expected };
  });
  return (text) => matchesWhole(steps, text);
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
