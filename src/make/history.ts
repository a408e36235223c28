import { SlipwayError } from '../errors.ts';
import type { Call } from './call.ts';
import { readHistory } from './releases.ts';

/** `history`: shows the tags of an image by version and date. */
export async function history(call: Call): Promise<void> {
  const { site, names, variables } = call;
  const { releases, tags } = await readHistory(call);
  const architecture = variables.given('ARCH');
  const version = variables.given(variables.versionName) ?? variables.given('VERSION');
  const shown = releases.filter(
    (each) =>
      (architecture === undefined ||
        architecture === 'all' ||
        each.architecture === architecture) &&
      (version === undefined || each.version === version),
  );
  const { reference, text } = names.list('latest', '', 'latest');
  if (site.isJson) {
    site.tellJson({ ref: `${reference.host}/${reference.path}`, releases: shown });
    return;
  }
  if (shown.length === 0) {
    throw new SlipwayError('NOT_FOUND', `no tag of ${text.replace(/:[^:]*$/, '')} has a date`, {
      side: 'destination',
      hint: 'slipway make push sets tags with dates, unless SKIP_BUILDDATETAG is set',
    });
  }
  const listed = new Set<string>();
  const rows = shown.flatMap((each) => {
    const row = [
      each.version === '' ? '-' : each.version,
      each.date,
      each.architecture,
      each.digest,
      each.isCurrent ? 'current' : '',
    ];
    const list = names.listOfDate(each.version, each.date);
    const found = tags.get(list);
    if (found === undefined || listed.has(list) || list === each.tag) return [row];
    listed.add(list);
    const { digest } = found.descriptor;
    const isCurrent = tags.get(reference.tag)?.descriptor.digest === digest;
    return [[...row.slice(0, 2), 'list', digest, isCurrent ? 'current' : ''], row];
  });
  site.table(['VERSION', 'BUILDDATE', 'ARCH', 'DIGEST', 'STATE'], rows);
}
