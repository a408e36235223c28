import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { archivePath } from '../archive/sink.ts';
import type { Resolver, Target } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { openLayout } from '../layout/layout.ts';
import type { Context } from './context.ts';
import type { Location } from './location.ts';
import { type OpenDestination, openDestination } from './open.ts';

/** Opens a place for a plan: a folder or file that isn't there yet is not made. */
export async function openPlannedDestination(
  context: Context,
  location: Location,
): Promise<OpenDestination> {
  const finish = async () => {};
  switch (location.transport) {
    case 'docker':
    case 'store':
      return await openDestination(context, location);
    case 'oci': {
      const target = await openExisting(context, location.path);
      const names = [location.name ?? 'latest'];
      return { destination: { target, names }, finish, isCompressed: true };
    }
    case 'docker-daemon': {
      const opened = await openDestination(context, location);
      const { destination } = opened;
      const target = nothingAt(destination.target.name);
      return { ...opened, destination: { ...destination, target }, finish };
    }
    default: {
      const isStream = location.path === '-';
      const name = isStream ? 'standard output' : await archivePath(location.path);
      const names = location.name === undefined ? [] : [location.name];
      const isCompressed = location.transport === 'oci-archive';
      return { destination: { target: nothingAt(name), names }, finish, isCompressed };
    }
  }
}

async function openExisting(context: Context, path: string): Promise<Target> {
  try {
    const layout = await openLayout(path);
    context.onClose(() => layout.close());
    return layout;
  } catch (error) {
    if (isSlipwayError(error, 'FILE_NOT_FOUND')) return nothingAt(resolve(path));
    const isEmpty = isSlipwayError(error, 'ARCHIVE_INVALID') && (await readdir(path)).length === 0;
    if (isEmpty) return nothingAt(resolve(path));
    throw error;
  }
}

/** A place that will be made, and holds nothing. */
function nothingAt(name: string): Target & Resolver {
  const onlyPlanned = async (): Promise<never> => {
    throw new SlipwayError('INTERNAL', `${name} is only planned`);
  };
  return {
    name,
    exists: async () => false,
    resolve: async () => {
      throw new SlipwayError('NOT_FOUND', `${name} is not there yet`);
    },
    push: onlyPlanned,
    tag: onlyPlanned,
  };
}
