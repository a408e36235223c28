import type { Command } from 'commander';
import { SlipwayError } from '../../errors.ts';
import { shortDigest } from '../../oci/digest.ts';
import { formatPlatform } from '../../oci/platform.ts';
import { familiarRepository, parseReference, type Reference } from '../../oci/reference.ts';
import { type LocalImage, listLocalImages, type PlatformImage } from '../../upkeep/local-images.ts';
import { type Cli, newCommand, run } from '../command.ts';
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
}

/** `slipway images [REPOSITORY[:TAG]]`, also as `slipway image ls`. */
export function command(cli: Cli): Command {
  return newCommand('images', 'list local images')
    .argument('[REPOSITORY[:TAG]]', 'only these')
    .option('-a, --all', 'accepted for docker users; nothing is hidden')
    .option('-q, --quiet', 'only image ids')
    .option('--no-trunc', 'whole ids')
    .option('--digests', 'a column with digests')
    .option('--names', 'full names in one column')
    .option('-f, --filter <FILTER>', 'dangling=true|false, or reference=PATTERN', collect)
    .option('--format <FORMAT>', 'table, json, or fields as {{.Repository}}')
    .action(async (only: string | undefined, flags: ImagesFlags) => {
      await run(cli, { quiet: true }, [], async ({ store, signal, output }) => {
        const images = await listLocalImages(await store(), { signal });
        const wanted = images.filter(matcher(only, flags.filter ?? []));
        output.out(render(wanted.flatMap(rowsOf), flags));
      });
    });
}

interface Row {
  readonly image: LocalImage;
  readonly reference: Reference | undefined;
  readonly platform: PlatformImage | undefined;
}

function rowsOf(image: LocalImage): readonly Row[] {
  const reference = image.name === undefined ? undefined : parseName(image.name);
  const shown = image.platforms.length === 0 ? [undefined] : image.platforms;
  return shown.map((platform) => ({ image, reference, platform }));
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
  ];
  return formatTable(
    columns.map(([heading]) => heading),
    fields.map((row) => columns.map(([, field]) => row[field] ?? '')),
  );
}

function fieldsOf({ image, reference, platform }: Row, isShort: boolean): Record<string, string> {
  const { digest } = image.root;
  const unpacked = platform?.unpackedBytes;
  return {
    Repository: reference === undefined ? '<none>' : safeLine(repositoryOf(reference)),
    Tag: reference?.tag ?? '<none>',
    Name: image.name === undefined ? '<none>' : safeLine(image.name),
    Digest: digest,
    ID: isShort ? shortDigest(digest) : digest,
    CreatedAt: safeLine(platform?.config?.created ?? ''),
    CreatedSince: formatAge(platform?.config?.created),
    Platform: platform?.platform === undefined ? '' : safeLine(formatPlatform(platform.platform)),
    Size: unpacked === undefined ? '-' : formatBytes(unpacked),
    BlobSize: platform === undefined ? '-' : formatBytes(platform.blobBytes),
  };
}

function repositoryOf(reference: Reference): string {
  return reference.host === '' ? reference.path : familiarRepository(reference);
}

function matcher(
  only: string | undefined,
  filters: readonly string[],
): (image: LocalImage) => boolean {
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

function parseFilter(text: string): (image: LocalImage) => boolean {
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
  return (text) => {
    let states = new Set([0]);
    const closure = (set: Set<number>): Set<number> => {
      for (const at of set) if (pattern[at] === '*') set.add(at + 1);
      return set;
    };
    states = closure(states);
    for (const character of text) {
      const next = new Set<number>();
      for (const at of states) {
        const expected = pattern[at];
        if (expected === '*' && character !== '/') next.add(at);
        else if (expected === character || (expected === '?' && character !== '/'))
          next.add(at + 1);
      }
      states = closure(next);
    }
    return states.has(pattern.length);
  };
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
