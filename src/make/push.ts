import { isSlipwayError, SlipwayError } from '../errors.ts';
import { formatReference, formatRepository } from '../oci/reference.ts';
import type { PublishedImage } from '../publish/publication.ts';
import { ALL, ARCHITECTURES } from './architectures.ts';
import type { Call } from './call.ts';
import { legacyOf, moreOf2019 } from './legacy.ts';
import type { FullName, ImageNames } from './names.ts';
import { isFoundInImage } from './version.ts';

/** What is pushed of one architecture, and what is said about it. */
interface Pushed {
  /** the local image */
  readonly image: FullName;
  readonly names: readonly FullName[];
}

/** `push`: the tags of an image, all of them one publication. */
export async function push(call: Call): Promise<void> {
  await pushTo(call, undefined);
}

/** `push_registry_HOST[:PORT]`: the same to another registry. */
export async function pushRegistry(call: Call, host: string): Promise<void> {
  if (host === '') {
    throw new SlipwayError('USAGE', 'push_registry_ names no registry', {
      hint: 'write push_registry_HOST[:PORT]',
    });
  }
  await pushTo(call, host);
}

async function pushTo(call: Call, host: string | undefined): Promise<void> {
  const { site, variables } = call;
  const architectures =
    variables.architecture === ALL ? await presentArchitectures(call) : [variables.architecture];
  const pushed: Pushed[] = [];
  for (const architecture of architectures) {
    const each = await tagsOf(call, host, architecture);
    if (each !== undefined && each.names.length > 0) pushed.push(each);
  }
  if (pushed.length === 0) return;
  refuseSharedNames(pushed);
  if (site.isDryRun && !site.isJson) {
    for (const { text } of pushed.flatMap(({ names }) => names)) site.tell(text);
  }
  try {
    await site.publish(async () => ({ images: await open(call, pushed) }));
  } catch (error) {
    if (!site.isDryRun || site.isJson || !isSlipwayError(error, 'NOT_FOUND', 'NETWORK'))
      throw error;
    site.say(`What would be sent isn't known: ${error.message}`);
  }
}

/**
 * The architectures that are there as local images.
 *
 * @throws SlipwayError `NOT_FOUND` if none is
 */
export async function presentArchitectures(call: Call): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { name } of ARCHITECTURES) {
    const { image } = call.names.image(name, '');
    try {
      await call.site.openLocal(image.reference);
      found.push(name);
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    }
  }
  if (found.length > 0) return found;
  const { image } = call.names.image(ALL, '');
  throw new SlipwayError('NOT_FOUND', `no local image of any architecture: ${image.text}`, {
    side: 'source',
    hint: 'slipway make build makes one; slipway images shows those there are',
  });
}

/** Decides which tags are pushed; undefined if the architecture is skipped. */
async function tagsOf(
  call: Call,
  host: string | undefined,
  architecture: string,
): Promise<Pushed | undefined> {
  const { site, variables } = call;
  const own = (version: string): ImageNames => call.names.image(architecture, version);
  const target = (version: string): ImageNames =>
    host === undefined ? own(version) : call.names.elsewhere(host, architecture, version);
  const { image } = own('');
  if (variables.isSet(`SKIP_${architecture}`)) {
    site.say(`Skipping push: ${target('').image.text}.`);
    return undefined;
  }
  const isOther = host === undefined || target('').image.text !== image.text;
  const isWithArch = isOther && !variables.isSet('SKIP_LATESTTAG');
  const legacy = legacyOf(call);
  const first = isWithArch ? [target('').image] : [];
  if (legacy === 'any') return { image, names: first };
  // Not that of an older image at the registry.
  if (isFoundInImage(call)) await site.openLocal(image.reference);
  if (legacy === '2019') {
    return { image, names: [...first, ...(await moreOf2019(call, architecture, target))] };
  }
  const version = await call.version(architecture);
  const names = target(version);
  const pushed: FullName[] = [...first];
  if (host !== undefined && isOther) site.say(`Tagging ${names.image.text}`);
  if (version !== '' && !variables.isSet('SKIP_VERSIONTAG')) {
    site.say(`Tagging ${names.version.text}`);
    pushed.push(names.version);
  } else {
    site.say(`Skipping push version tag: ${names.version.text}.`);
  }
  if (variables.isSet('SKIP_BUILDDATETAG')) {
    site.say(`Skipping push builddate tag: ${names.date.text}.`);
  } else {
    site.say(`Tagging ${names.date.text}`);
    pushed.push(names.date);
  }
  return { image, names: pushed };
}

/** The last image would take the tag from the others. */
function refuseSharedNames(pushed: readonly Pushed[]): void {
  const taken = new Map<string, FullName>();
  for (const { image, names } of pushed) {
    for (const { text, reference } of names) {
      const name = formatReference(reference);
      const other = taken.get(name);
      if (other !== undefined && other.text !== image.text) {
        throw new SlipwayError(
          'USAGE',
          `${text} would be the tag of two images: ${other.text} and ${image.text}`,
          { hint: 'let the tag have $(ARCH) in it, or say which image with ARCH=…' },
        );
      }
      taken.set(name, image);
    }
  }
}

/** All local images are found before anything is sent. */
async function open({ site }: Call, pushed: readonly Pushed[]): Promise<readonly PublishedImage[]> {
  const graphs = [];
  for (const { image } of pushed) graphs.push(await site.openLocal(image.reference));
  const registries = await site.registries();
  const images: PublishedImage[] = [];
  for (const [at, { names }] of pushed.entries()) {
    const groups = Map.groupBy(names, ({ reference }) => formatRepository(reference)).values();
    images.push({
      graph: await site.derive(graphs[at] as (typeof graphs)[number]),
      destinations: [...groups].map((group) => {
        const [{ reference }] = group as [FullName];
        registries.expect(reference);
        return {
          target: registries.repository(reference),
          names: [...new Set(group.map((each) => each.reference.tag))],
          host: reference.host,
        };
      }),
    });
  }
  return images;
}
