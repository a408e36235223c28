import { isSlipwayError } from '../errors.ts';
import type { Call } from './call.ts';
import { tryResolve } from './entries.ts';
import type { FullName, ImageNames } from './names.ts';

/** What LEGACY, or `legacy` of `slipway.yaml`, says: the year whose makefiles are meant. */
type Legacy = 'any' | '2019';

/** Which makefiles of old are meant; undefined: those of today. */
export function legacyOf({ settings, variables }: Pick<Call, 'settings' | 'variables'>) {
  const said = variables.given('LEGACY') ?? settings.legacy;
  if (said === undefined || said === false) return undefined;
  const legacy: Legacy = String(said) === '2019' ? '2019' : 'any';
  return legacy;
}

/**
 * What the makefiles of 2019 pushed beside the tag of the architecture: `latest` for the image of
 * this machine's architecture, and the version if no image has its tag yet.
 */
export async function moreOf2019(
  call: Call,
  architecture: string,
  target: (version: string) => ImageNames,
): Promise<readonly FullName[]> {
  const { site, variables } = call;
  const more: FullName[] = [];
  const isOfHost = architecture === variables.lookUp('HOSTARCH', architecture, '');
  if (isOfHost && !variables.isSet('SKIP_LATESTTAG')) more.push(target('').latest());
  const version = await call.version(architecture);
  const name = target(version).version;
  if (version === '' || variables.isSet('SKIP_VERSIONTAG') || (await isThere(call, name))) {
    site.say(`Skipping push version tag: ${name.text}.`);
    return more;
  }
  site.say(`Tagging ${name.text}`);
  return [...more, name];
}

async function isThere({ site }: Call, { reference }: FullName): Promise<boolean> {
  const { signal } = site;
  const repository = (await site.registries()).repository(reference);
  try {
    return (await tryResolve(repository, reference.tag, { signal })) !== undefined;
  } catch (error) {
    if (site.isDryRun && isSlipwayError(error, 'NETWORK')) return false;
    throw error;
  }
}
