import { openArchive } from '../archive/archive.ts';
import type { Place, Source, Target } from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import { openLayout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { formatReference, parseReference } from '../oci/reference.ts';
import type { Context } from './context.ts';
import { openEngineImage } from './engine-images.ts';
import { type Location, parseLocation } from './location.ts';

/** A location to look at: a bare reference is a registry's, for these commands look far away. */
export function parseRemote(text: string): Location {
  if (/^(?:docker-archive|oci-archive|oci|docker-daemon):/.test(text)) {
    return parseLocation(text);
  }
  const reference = parseReference(text.startsWith('docker://') ? text.slice(9) : text);
  return { transport: 'docker', reference };
}

/** The hosts that a location speaks to. */
export function hostsOfLocation(location: Location): readonly string[] {
  return location.transport === 'docker' ? [location.reference.host] : [];
}

/** An image's place and what it is called there. */
export interface OpenPlace {
  readonly place: Source & Pick<Target, 'exists'>;
  readonly reference: string;
  /** for people */
  readonly name: string;
}

/**
 * Opens the place of an image to look at it.
 *
 * @param from whether a registry itself is asked, or its mirrors first
 */
export async function openPlace(
  context: Context,
  location: Location,
  from: 'registry' | 'mirrors' = 'registry',
): Promise<OpenPlace> {
  switch (location.transport) {
    case 'docker': {
      const { reference } = location;
      const registries = await context.registries();
      return {
        place: from === 'mirrors' ? registries.source(reference) : registries.repository(reference),
        reference: reference.digest ?? reference.tag ?? '',
        name: formatReference(reference),
      };
    }
    case 'oci': {
      const layout: Place = await openLayout(location.path);
      return { place: layout, reference: location.name ?? '', name: layout.name };
    }
    case 'store': {
      const store = await context.store();
      return { place: store, reference: formatReference(location.reference), name: store.name };
    }
    case 'docker-daemon': {
      const archive = await openEngineImage(context, location.name);
      const name = `docker-daemon:${location.name}`;
      return { place: placeOf({ ...archive, name }), reference: '', name };
    }
    default: {
      const { path, name = '' } = location;
      const archive = await openArchive(path, {
        spoolDir: await context.home(),
        signal: context.signal,
      });
      context.onClose(() => archive.close());
      return { place: placeOf(archive), reference: name, name: path };
    }
  }
}

function placeOf(archive: Source): OpenPlace['place'] {
  return { ...archive, exists: (descriptor: Descriptor) => hasContent(archive, descriptor) };
}

/** An archive has content if it gives the first byte of it. */
async function hasContent(archive: Source, descriptor: Descriptor): Promise<boolean> {
  try {
    for await (const _ of archive.fetch(descriptor)) break;
    return true;
  } catch (error) {
    if (isSlipwayError(error, 'NOT_FOUND', 'CONTENT_MISSING')) return false;
    throw error;
  }
}
