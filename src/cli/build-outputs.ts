import { SlipwayError } from '../errors.ts';
import { type Location, parseLocation } from './location.ts';

/** Where a built image goes beside the local store. */
export interface BuildOutputs {
  readonly locations: readonly Location[];
  /** it is published under its names */
  readonly isPushed: boolean;
  /** names that an output gives the image */
  readonly names: readonly string[];
}

/**
 * Reads `--output`: locations of ours, and docker's `type=oci|docker|image|registry,…`.
 *
 * @throws SlipwayError `USAGE`
 */
export function parseOutputs(texts: readonly string[] = []): BuildOutputs {
  const locations: Location[] = [];
  const names: string[] = [];
  let isPushed = false;
  for (const text of texts) {
    if (!/(?:^|,)type=/.test(text)) {
      const location = parseLocation(text);
      if (location.transport === 'store') throw noOutput(text);
      locations.push(location);
      continue;
    }
    const fields = new Map(
      text.split(',').map((field): [string, string] => {
        const [name = '', value = ''] = field.split(/=(.*)/s);
        return [name, value];
      }),
    );
    const type = fields.get('type') ?? '';
    const known = type === 'image' ? ['type', 'name', 'push'] : ['type', 'name', 'dest'];
    if ([...fields.keys()].some((name) => !known.includes(name))) throw noOutput(text);
    const name = fields.get('name');
    const dest = fields.get('dest') ?? '-';
    switch (type) {
      case 'oci':
      case 'docker':
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
  return { locations, isPushed, names };
}

function noOutput(text: string): SlipwayError {
  return new SlipwayError('USAGE', `--output ${JSON.stringify(text)} can't be made`, {
    hint: "outputs are oci:DIR, oci-archive:FILE, docker-archive:FILE, docker://REF, and docker's type=oci|docker,dest=FILE and type=image|registry; files of an image are not unpacked",
  });
}
