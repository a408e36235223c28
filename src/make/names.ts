import { SlipwayError } from '../errors.ts';
import {
  DOCKER_HUB,
  isRepositoryPath,
  isTag,
  parseReference,
  type Reference,
} from '../oci/reference.ts';
import {
  LIST_TEMPLATES,
  type ListTemplates,
  type MakeSettings,
  TAG_TEMPLATES,
  type TagTemplates,
} from './settings.ts';
import { expandTemplate, withoutVersion } from './template.ts';
import { checkRegistry, type Variables } from './variables.ts';

/** A name with a tag, as it is told and as it is used. */
export interface FullName {
  /** with the registry as it was given */
  readonly text: string;
  readonly reference: Reference & { readonly tag: string };
}

/** The names of an image of one architecture. */
export interface ImageNames {
  /** IMAGETAG: the local image, and what is pushed first */
  readonly image: FullName;
  readonly version: FullName;
  readonly date: FullName;
  /** the list of all architectures beside it */
  latest(): FullName;
}

/** Which list, by the target that makes it. */
export type ListKind = keyof ListTemplates;

/** Makes names from their parts; nothing is replaced inside of a registry's name. */
export interface Names {
  /**
   * The names of an image.
   *
   * @throws SlipwayError `REFERENCE_INVALID`
   */
  image(architecture: string, version: string): ImageNames;
  /** The same at another registry. */
  elsewhere(registry: string, architecture: string, version: string): ImageNames;
  /** The name of a list; its tag is `tagName` if that is given. */
  list(kind: ListKind, version: string, tagName?: string): FullName;
  /** The tag of the list of a day. */
  listOfDate(version: string, date: string): string;
  /** The name that a list has of an image. */
  entry(kind: ListKind, architecture: string, version: string, tagName?: string): FullName;
  /** The template of a tag, for those that read tags. */
  readonly templates: TagTemplates & { readonly lists: ListTemplates };
}

/** Makes the names of one call. */
export function namesOf(variables: Variables, settings: MakeSettings): Names {
  const { registry, organisation, name, given } = variables;
  const tags: TagTemplates = { ...TAG_TEMPLATES, ...settings.tags };
  const lists: ListTemplates = { ...LIST_TEMPLATES, ...settings.lists };
  const repository = `${organisation}/${name}`;
  const fill = (template: string, architecture: string, version: string, date?: string): string =>
    expandTemplate(
      version === '' ? withoutVersion(template) : template,
      (variable) =>
        variable === 'BUILDDATE' && date !== undefined
          ? date
          : variables.lookUp(variable, architecture, version),
      'the tags of slipway.yaml',
    );
  const imageAt = (host: string, architecture: string): FullName => {
    const whole = given('IMAGETAG');
    if (whole === undefined) {
      return fullName(host, repository, fill(tags.arch, architecture, ''));
    }
    const named = parseName(whole, 'IMAGETAG');
    if (host === registry) return named;
    return fullName(host, named.reference.path, named.reference.tag);
  };
  /** The other tags of an image stand beside its first one. */
  const beside = (image: FullName, template: string, architecture: string, version: string) => {
    const { tag } = image.reference;
    // Who names the image himself has chosen what stands for the architecture.
    const text =
      given('IMAGETAG') === undefined ? fill(template, architecture, version) : undefined;
    const own = text ?? fill(template, tag, version);
    // Without a version nothing is left of a tag that is the version alone.
    return withTag(image, own || tag);
  };
  const own = (variable: string, otherwise: () => FullName): FullName => {
    const text = given(variable);
    return text === undefined ? otherwise() : parseName(text, variable);
  };
  const listAt = (kind: ListKind, version: string, tagName: string | undefined): FullName => {
    const tag = tagName ?? fill(lists[kind], '', version);
    return withTag(imageAt(registry, variables.architecture), tag);
  };
  return {
    templates: { ...tags, lists },
    image(architecture, version) {
      const image = imageAt(registry, architecture);
      return {
        image,
        version: own('VERSIONTAG', () => beside(image, tags.version, architecture, version)),
        date: own('BUILDDATETAG', () => beside(image, tags.date, architecture, version)),
        latest: () => withTag(image, fill(lists.latest, '', '')),
      };
    },
    elsewhere(host, architecture, version) {
      const image = own('REGDSTTAG', () => imageAt(checkRegistry(host), architecture));
      return {
        image,
        version: own('REGDSTVERSIONTAG', () => beside(image, tags.version, architecture, version)),
        date: own('REGDSTBUILDDATETAG', () => beside(image, tags.date, architecture, version)),
        latest: () => withTag(image, fill(lists.latest, '', '')),
      };
    },
    list: listAt,
    listOfDate: (version, date) => fill(lists.date, '', version, date),
    entry(kind, architecture, version, tagName) {
      const base = imageAt(registry, variables.architecture);
      const template = { latest: tags.arch, version: tags.version, date: tags.date }[kind];
      const tag =
        tagName === undefined || (kind === 'latest' && tagName === 'latest')
          ? fill(template, architecture, version)
          : `${fill(tags.arch, architecture, '')}_${tagName}`;
      return withTag(base, tag);
    },
  };
}

function fullName(registry: string, path: string, tag: string): FullName {
  checkTag(tag);
  const text = `${registry}/${path}:${tag}`;
  if (!isRepositoryPath(path)) {
    throw new SlipwayError('REFERENCE_INVALID', `${JSON.stringify(path)} is no name of an image`, {
      hint: 'ORGNAME and REPONAME have lower-case letters and digits, joined by . _ or -',
    });
  }
  const host = registry === 'index.docker.io' ? DOCKER_HUB : registry;
  return { text, reference: { host, path, tag } };
}

function withTag({ text, reference }: FullName, tag: string): FullName {
  checkTag(tag);
  const repository = text.slice(0, text.length - reference.tag.length);
  return { text: `${repository}${tag}`, reference: { ...reference, tag } };
}

/**
 * Reads a whole name with its tag.
 *
 * @param what the variable that holds it, for errors
 * @throws SlipwayError `REFERENCE_INVALID`
 */
export function parseName(text: string, what: string): FullName {
  const { host, path, tag, digest } = parseReference(text, { defaultTag: false });
  if (tag !== undefined && digest === undefined) return { text, reference: { host, path, tag } };
  throw new SlipwayError(
    'REFERENCE_INVALID',
    `${what} ${JSON.stringify(text)} has ${digest === undefined ? 'no tag' : 'a digest'}`,
    { hint: 'write HOST/PATH:TAG' },
  );
}

const MAX_TAG = 128;

function checkTag(tag: string): void {
  if (isTag(tag)) return;
  const why = tag.length > MAX_TAG ? `has ${tag.length} characters` : 'is no tag';
  throw new SlipwayError('REFERENCE_INVALID', `${JSON.stringify(tag.slice(0, 200))} ${why}`, {
    hint: 'a tag has 1 to 128 letters, digits, . _ and -, and begins with neither . nor -',
  });
}
