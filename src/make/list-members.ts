import { SlipwayError } from '../errors.ts';
import {
  ALL,
  ARCHITECTURES,
  type Architecture,
  architectureNamed,
  architectureOfTag,
  USUAL_ARCHITECTURES,
} from './architectures.ts';
import type { Call } from './call.ts';
import { tryResolve, type WantedEntry } from './entries.ts';
import { type FullName, parseName } from './names.ts';

/** The architectures of a list, those that are skipped left out. */
export function listedArchitectures({ settings, variables }: Call): readonly Architecture[] {
  const isAll = variables.architecture === ALL;
  const names = settings.architectures ?? USUAL_ARCHITECTURES;
  const chosen = isAll ? ARCHITECTURES : names.map(architectureNamed);
  return chosen.filter(({ name }) => !variables.isSet(`SKIP_${name}`));
}

/** What TAGSLIST says; empty if it isn't there. */
function tagsListOf({ variables }: Call): string {
  return variables.given('TAGSLIST')?.trim() ?? '';
}

/**
 * TAGSLIST: whole names of the images, in place of all architectures.
 *
 * @throws SlipwayError `USAGE` for another registry than the list's
 */
export function listOfTags(call: Call, list: FullName): readonly WantedEntry[] | undefined {
  const text = tagsListOf(call);
  if (text === '') return undefined;
  return [...new Set(text.split(/\s+/))].map((word) => {
    const name = parseName(word, 'TAGSLIST');
    const { host, tag } = name.reference;
    if (host !== list.reference.host) {
      throw new SlipwayError(
        'USAGE',
        `cannot use source images from a different registry than the target image: ${host} and ${list.reference.host}`,
        { hint: `push them to ${list.reference.host} first: slipway copy` },
      );
    }
    return { name, platform: architectureOfTag(tag)?.platform };
  });
}

/** Those of the entries that are there. */
export async function presentAmong(
  { site }: Call,
  wanted: readonly WantedEntry[],
): Promise<readonly WantedEntry[]> {
  const registries = await site.registries();
  const { signal } = site;
  const there: WantedEntry[] = [];
  for (const each of wanted) {
    const { reference } = each.name;
    const repository = registries.repository(reference);
    if ((await tryResolve(repository, reference.tag, { signal })) !== undefined) there.push(each);
  }
  // With none, the search for all says which are missing.
  return there.length === 0 ? wanted : there;
}
