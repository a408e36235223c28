import murmurhash from 'murmurhash';
import { slugTable } from './slug-table.ts';

/** The slugs of werf's third version are shorter than this. */
const SHORT_LENGTH = 53;
/** what is left of that beside `-` and the hash */
const SHORT_STEM = 44;

let table: ReadonlyMap<number, string> | undefined;

/**
 * A text as a name of small letters, digits and dashes that can be a tag or part of a host. One
 * that is such a name already stays; any other gets a hash of it, so that different texts have
 * different slugs.
 *
 * @param options.short werf's third version: never longer than 53 characters
 */
export function slug(text: string, { short = false } = {}): string {
  const stem = slugify(text);
  if (stem === text && text !== '' && !(short && text.length >= SHORT_LENGTH)) return text;
  const kept = short && stem.length > SHORT_STEM ? stem.slice(0, SHORT_STEM) : stem;
  return kept === '' ? hashOf(text) : `${kept}-${hashOf(text)}`;
}

/** The third version is wanted where this variable isn't empty, under either name of the program. */
export function wantsShortSlugs(env: NodeJS.ProcessEnv): boolean {
  return Boolean(env.WERF_SLUG_V3 || env.DAPP_SLUG_V3);
}

function slugify(text: string): string {
  table ??= slugTable();
  let slugged = '';
  for (const character of text) {
    const output = table.get(character.codePointAt(0) ?? 0) ?? '';
    if (output === '-' && (slugged === '' || slugged.endsWith('-'))) continue;
    slugged += output;
  }
  return slugged.replace(/-$/, '');
}

/** MurmurHash3 (x86, 32 bit) of the UTF-8 bytes, the lowest byte first. */
function hashOf(text: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(murmurhash.v3(Buffer.from(text), 0));
  return bytes.toString('hex');
}
