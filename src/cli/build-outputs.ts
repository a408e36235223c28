import { SlipwayError } from '../errors.ts';
import { type Location, parseLocation } from './location.ts';

/** Where a built image goes beside the local store. */
export interface BuildOutputs {
  readonly locations: readonly Location[];
  /** it is published under its names */
  readonly isPushed: boolean;
  /** it goes into the running engine under its names */
  readonly isLoaded: boolean;
  /** where the files of the image go; `-` is standard output */
  readonly files: readonly FilesOutput[];
  /** names that an output gives the image */
  readonly names: readonly string[];
}

/** Files of an image, in a folder or as a tar archive. */
export interface FilesOutput {
  readonly kind: 'local' | 'tar';
  readonly path: string;
}

const LOCATION = /^(?:docker|docker-archive|docker-daemon|oci|oci-archive):/;

/**
 * Reads `--output`: locations of ours, and docker's `type=oci|docker|image|registry|local|tar,…`, a
 * folder, or `-`.
 *
 * @throws SlipwayError `USAGE`
 */
export function parseOutputs(texts: readonly string[] = []): BuildOutputs {
  const locations: Location[] = [];
  const names: string[] = [];
  const files: FilesOutput[] = [];
  let isPushed = false;
  let isLoaded = false;
  for (const text of texts) {
    if (!/(?:^|,)type=/.test(text)) {
      if (LOCATION.test(text)) locations.push(parseLocation(text));
      else if (text === '' || /^[a-z-]+:\/\//.test(text)) throw noOutput(text);
      else files.push({ kind: text === '-' ? 'tar' : 'local', path: text });
      continue;
    }
    const fields = new Map(
      text.split(',').map((field): [string, string] => {
        const [name = '', value = ''] = field.split(/=(.*)/s);
        return [name, value];
      }),
    );
    const type = fields.get('type') ?? '';
    const known = FIELDS.get(type) ?? [];
    if ([...fields.keys()].some((name) => name !== 'type' && !known.includes(name))) {
      throw noOutput(text);
    }
    const name = fields.get('name');
    const dest = fields.get('dest') ?? '-';
    switch (type) {
      case 'local':
      case 'tar':
        if (type === 'local' && dest === '-') throw noOutput(text);
        files.push({ kind: type, path: dest });
        break;
      case 'oci':
      case 'docker':
        if (type === 'docker' && !fields.has('dest')) {
          if (name !== undefined) names.push(name);
          isLoaded = true;
          break;
        }
        locations.push({
          transport: `${type}-archive`,
          path: dest,
          ...(name === undefined ? {} : { name }),
        });
        break;
      case 'image':
      case 'registry':
        if (name !== undefined) names.push(name);
        isPushed ||= type === 'registry' || fields.get('push') === 'true';
        break;
      default:
        throw noOutput(text);
    }
  }
  return { locations, isPushed, isLoaded, files, names };
}

/** True if an archive goes to standard output, which is for nothing else then. */
export function isOnStandardOutput({ locations, files }: BuildOutputs): boolean {
  return (
    files.some(({ path }) => path === '-') ||
    locations.some((location) => 'path' in location && location.path === '-')
  );
}

/** What docker's types may have beside them. */
const FIELDS: ReadonlyMap<string, readonly string[]> = new Map([
  ['oci', ['name', 'dest']],
  ['docker', ['name', 'dest']],
  ['image', ['name', 'push']],
  ['registry', ['name']],
  ['local', ['dest']],
  ['tar', ['dest']],
]);

function noOutput(text: string): SlipwayError {
  return new SlipwayError('USAGE', `--output ${JSON.stringify(text)} can't be made`, {
    hint: "outputs are oci:DIR, oci-archive:FILE, docker-archive:FILE, docker://REF, and docker's type=oci|docker|tar,dest=FILE, type=local,dest=DIR and type=image|registry",
  });
}
