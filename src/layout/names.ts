import { SlipwayError } from '../errors.ts';
import { ANNOTATION, type Annotations } from '../oci/annotations.ts';
import { type Descriptor, sameContent } from '../oci/descriptor.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { type Entry, makeEntry } from './index-json.ts';

/** The name of an entry: a tag, or a full reference in the local store. */
export function nameOf({ annotations }: Descriptor): string | undefined {
  // Own keys only: the map comes from outside.
  if (annotations === undefined || !Object.hasOwn(annotations, ANNOTATION.refName))
    return undefined;
  return annotations[ANNOTATION.refName];
}

/** Tags and references (image-spec, annotations.md, and what tags may begin and end with). */
const NAME = /^[A-Za-z0-9_[][A-Za-z0-9_.:@/+[\]-]{0,511}$/;

/**
 * Refuses a name that other tools, or people, could take for something else.
 *
 * @throws SlipwayError `REFERENCE_INVALID`
 */
export function checkName(name: string): void {
  if (NAME.test(name) && !isDigest(name)) return;
  throw new SlipwayError('REFERENCE_INVALID', 'a layout gives no image such a name', {
    side: 'destination',
    hint: 'a name is at most 512 letters, digits and - . _ : @ / + and is no digest',
  });
}

/**
 * Lets `name` stand for `descriptor`. The entry that had the name stays without one, as docker
 * keeps an image whose tag moved. Entries without a name that `below` holds are dropped: they are
 * kept by the manifest above them.
 */
export function setName(
  entries: readonly Entry[],
  name: string,
  descriptor: Descriptor,
  below: ReadonlySet<Digest>,
): readonly Entry[] {
  const result: Entry[] = [];
  let isPlaced = false;
  for (const entry of entries) {
    const entryName = nameOf(entry.descriptor);
    const isSame = entry.descriptor.digest === descriptor.digest;
    if (isSame && (entryName === name || entryName === undefined)) {
      if (!isPlaced) result.push(makeEntry(named(descriptor, name, entry.descriptor), entry));
      isPlaced = true;
    } else if (entryName === name) {
      const isKept = below.has(entry.descriptor.digest) || hasOther(entries, entry);
      if (!isKept) result.push(withoutName(entry));
    } else if (entryName !== undefined || !below.has(entry.descriptor.digest)) {
      result.push(entry);
    }
  }
  if (!isPlaced) result.push(makeEntry(named(descriptor, name)));
  return isUnchanged(entries, result) ? entries : result;
}

/** Takes a name away; the entry stays without one if `keep` is set. */
export function dropName(entries: readonly Entry[], name: string, keep: boolean): readonly Entry[] {
  return entries.flatMap((entry) => {
    if (nameOf(entry.descriptor) !== name) return [entry];
    return keep && !hasOther(entries, entry) ? [withoutName(entry)] : [];
  });
}

/** Adds an entry without a name, unless the manifest has one. */
export function addUnnamed(entries: readonly Entry[], descriptor: Descriptor): readonly Entry[] {
  if (entries.some((entry) => entry.descriptor.digest === descriptor.digest)) return entries;
  return [...entries, makeEntry(unnamed(descriptor))];
}

/** Takes the entry without a name away that a manifest has. */
export function dropUnnamed(entries: readonly Entry[], digest: Digest): readonly Entry[] {
  const left = entries.filter(
    ({ descriptor }) => descriptor.digest !== digest || nameOf(descriptor) !== undefined,
  );
  return left.length === entries.length ? entries : left;
}

/**
 * The entry that has `name`, or undefined.
 *
 * @throws SlipwayError `CONTENT_INVALID` if it names two manifests
 */
export function findName(
  entries: readonly Descriptor[],
  name: string,
  dir: string,
): Descriptor | undefined {
  const found = entries.filter((entry) => nameOf(entry) === name);
  const first = found[0];
  if (first !== undefined && !found.every((entry) => sameContent(entry, first))) {
    throw new SlipwayError('CONTENT_INVALID', `a name is given to two images in ${dir}`, {
      path: dir,
      reference: name,
      hint: 'name the image by its digest, or give the name to one of them again',
    });
  }
  return first;
}

function hasOther(entries: readonly Entry[], entry: Entry): boolean {
  return entries.some(
    (other) =>
      other !== entry &&
      other.descriptor.digest === entry.descriptor.digest &&
      nameOf(other.descriptor) !== nameOf(entry.descriptor),
  );
}

function named(descriptor: Descriptor, name: string, like?: Descriptor): Descriptor {
  const { annotations, ...rest } = unnamed(descriptor);
  const old = like === undefined ? {} : unnamed(like).annotations;
  const all = { ...old, ...annotations, [ANNOTATION.refName]: name };
  return { ...rest, annotations: all };
}

function withoutName(entry: Entry): Entry {
  return makeEntry(unnamed(entry.descriptor), entry);
}

/** Without names of any kind, and without embedded bytes: those are in a file. */
function unnamed({ annotations, data: _, ...rest }: Descriptor): Descriptor {
  if (annotations === undefined) return rest;
  const {
    [ANNOTATION.refName]: _name,
    [ANNOTATION.containerdName]: _full,
    ...others
  } = annotations as Annotations & Record<string, string>;
  return Object.keys(others).length === 0 ? rest : { ...rest, annotations: others };
}

function isUnchanged(before: readonly Entry[], after: readonly Entry[]): boolean {
  return (
    before.length === after.length &&
    before.every((entry, index) => entry.json === after[index]?.json)
  );
}
