import { printable } from '../bytes/printable.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { formatReference, isTag, parseReference } from '../oci/reference.ts';

/** What the documents of an archive call an image. */
export interface EmbeddedNames {
  /** references, as written */
  readonly names: readonly string[];
  /** tags without a repository, and other names that a layout may give */
  readonly tags: readonly string[];
}

/** image-spec, annotations.md, "org.opencontainers.image.ref.name". */
const REF_NAME = /^[A-Za-z0-9]+(?:(?:--|[-._:@+/])[A-Za-z0-9]+)*$/;

/**
 * Sorts embedded names.
 *
 * @throws SlipwayError `ARCHIVE_INVALID` for a name that no tool gives an image
 */
export function sortNames(texts: readonly string[], archive: string): EmbeddedNames {
  const names = new Set<string>();
  const tags = new Set<string>();
  for (const text of texts) {
    if (/[:/]/.test(text) && normalised(text) !== undefined) names.add(text);
    else if (isTag(text) || (text.length <= 512 && REF_NAME.test(text))) tags.add(text);
    else throw badName(text, archive);
  }
  return { names: [...names], tags: [...tags] };
}

/**
 * Checks names that must be references, as in docker's `RepoTags`.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`
 */
export function checkReferences(texts: readonly string[], archive: string): readonly string[] {
  for (const text of texts) if (normalised(text) === undefined) throw badName(text, archive);
  return [...new Set(texts)];
}

/** True if somebody who writes `wanted` means an image that has these names. */
export function isNamed({ names, tags }: EmbeddedNames, wanted: string): boolean {
  if (names.includes(wanted) || tags.includes(wanted)) return true;
  const full = normalised(wanted);
  return full !== undefined && names.some((name) => normalised(name) === full);
}

function normalised(text: string): string | undefined {
  try {
    return formatReference(parseReference(text));
  } catch (error) {
    if (isSlipwayError(error)) return undefined;
    throw error;
  }
}

const SHOWN_NAMES = 10;

/** The names of an archive's images, for a message. */
export function listNames(images: readonly EmbeddedNames[]): string {
  const all = images.map(({ names, tags }, at) => names[0] ?? tags[0] ?? `@${at}`);
  const shown = all.slice(0, SHOWN_NAMES).map((name) => printable(name, 200));
  const more = all.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function badName(text: string, archive: string): SlipwayError {
  const shown = JSON.stringify(printable(text, 120));
  return new SlipwayError(
    'ARCHIVE_INVALID',
    `${archive} names an image ${shown}, which is no reference`,
    { path: archive, hint: 'the archive was damaged or made to mislead; make it again' },
  );
}
