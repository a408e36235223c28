import { SlipwayError } from '../errors.ts';
import { isHost } from '../oci/reference.ts';
import { ALL, hostArchitecture } from './architectures.ts';
import { asBuildDate, checkBuildDate } from './build-date.ts';
import type { MakeSettings } from './settings.ts';
import { expandTemplate } from './template.ts';
import { withoutLeadingBlanks } from './words.ts';

/** Where values come from: the command line before the environment before `slipway.yaml`. */
export interface Inputs {
  readonly assigned: ReadonlyMap<string, string>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly settings: MakeSettings;
  readonly now: Date;
}

/** What was set, with defaults. */
export interface Variables {
  /** host with port, as it was given */
  readonly registry: string;
  readonly organisation: string;
  readonly name: string;
  readonly system: string;
  readonly service: string;
  /** of images: a name in tags, or `all` */
  readonly architecture: string;
  /** `YYYYMMDD` */
  readonly buildDate: string;
  /** the variable that holds the version: `OSVERSION`, `S6VERSION` or `VERSION` */
  readonly versionName: string;
  /** the version that was given, empty for none; undefined: it has to be found out */
  readonly version: string | undefined;
  /** what else was set: it reaches builds as arguments, and commands as environment */
  readonly extra: ReadonlyMap<string, string>;
  /** The value of a variable that may be set from outside; an empty one counts as not set. */
  given(name: string): string | undefined;
  /** The value that the command line gave, and nothing else. */
  said(name: string): string | undefined;
  /** True if a flag such as `SKIP_VERSIONTAG` is set: to anything, also to `0`. */
  isSet(name: string): boolean;
  /** The value of a variable in templates, for one architecture. */
  lookUp(name: string, architecture: string, version: string): string | undefined;
}

/** The environment doesn't count for these: other programs use the names. */
const COMMAND_LINE_ONLY: ReadonlySet<string> = new Set(['OPSYS', 'SVCNAME', 'REPONAME']);

/** Names that mean something to a target; all others are the user's own. */
const OWN =
  /^(?:OPSYS|SVCNAME|REPONAME|ORGNAME|REGISTRY|HOSTARCH|ARCH|IMAGETAG|(?:OS|S6)?VERSION|BUILDDATE|VERSIONTAG|BUILDDATETAG|REGDST(?:VERSION|BUILDDATE)?TAG|SKIP_.*|TAGNAME|TAGSLIST|IMAGESRC|REGSRC|ORGSRC|REPOSRC|TAGSRC|DOCKERFILE|TESTCMD|CNTSHELL|BUILDNUMBER|LEGACY|REGISTRY_URL|DOC_URL)$/;

/** Images whose version has a variable of its own. */
const VERSION_NAMES: Readonly<Record<string, string>> = { base: 'OSVERSION', s6: 'S6VERSION' };

/**
 * Works out the variables of one call.
 *
 * @throws SlipwayError `USAGE` for a registry with a path, or a date that isn't one;
 * `CONFIG_INVALID` for a template that can't be filled
 */
export function resolveVariables({ assigned, env, settings, now }: Inputs): Variables {
  const given = (name: string): string | undefined => {
    // As in make, an empty value of the command line hides that of the environment.
    if (assigned.has(name)) return assigned.get(name) || undefined;
    const fromEnv = COMMAND_LINE_ONLY.has(name) ? undefined : env[name];
    return (fromEnv && withoutLeadingBlanks(fromEnv)) || undefined;
  };
  const extra = extraVariables(assigned, env, settings.variables ?? {});
  const words = new Map<string, string>();
  const fill = (text: string, what: string): string =>
    expandTemplate(text, (name) => words.get(name) ?? extra.get(name), what);
  const set = (name: string, setting: string | undefined, otherwise: () => string): string => {
    const configured = setting === undefined ? undefined : fill(setting, `${name} of slipway.yaml`);
    const value = given(name) ?? (configured || otherwise());
    words.set(name, value);
    return value;
  };
  const system = set('OPSYS', undefined, () => 'alpine');
  const service = set('SVCNAME', undefined, () => 'base');
  const name = set('REPONAME', settings.name, () => `${system}-${service}`);
  const organisation = set('ORGNAME', settings.organisation, () => 'woahbase');
  const registry = checkRegistry(set('REGISTRY', settings.registry, () => 'index.docker.io'));
  const hostName = set('HOSTARCH', undefined, hostArchitecture);
  const architecture = set('ARCH', undefined, () => hostName);
  refuseWholeNames(architecture, given);
  const buildDate = checkBuildDate(set('BUILDDATE', undefined, () => asBuildDate(now)));
  const versionName = VERSION_NAMES[/^alpine-(base|s6)$/.exec(name)?.[1] ?? ''] ?? 'VERSION';
  const literal =
    typeof settings.version === 'string'
      ? fill(settings.version, 'the version of slipway.yaml')
      : undefined;
  const assignedVersion = assigned.get(versionName) ?? assigned.get('VERSION');
  return {
    registry,
    organisation,
    name,
    system,
    service,
    architecture,
    buildDate,
    versionName,
    version: assignedVersion ?? given(versionName) ?? given('VERSION') ?? literal,
    extra,
    given,
    said: (variable) => assigned.get(variable) || undefined,
    isSet: (flag) => given(flag) !== undefined,
    lookUp: (variable, ofArchitecture, version) => {
      if (variable === 'ARCH') return ofArchitecture;
      if (variable === 'VERSION' || variable === versionName) return version;
      return words.get(variable) ?? extra.get(variable);
    },
  };
}

function extraVariables(
  assigned: ReadonlyMap<string, string>,
  env: Inputs['env'],
  declared: Readonly<Record<string, string>>,
): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of Object.entries(declared)) {
    values.set(name, env[name] === undefined || env[name] === '' ? value : env[name]);
  }
  for (const [name, value] of assigned) if (!OWN.test(name)) values.set(name, value);
  return values;
}

/** A name that is given whole is that of one image. */
function refuseWholeNames(architecture: string, given: (name: string) => string | undefined): void {
  const whole = ['IMAGETAG', 'VERSIONTAG', 'BUILDDATETAG', 'IMAGESRC'].find(given);
  if (architecture !== ALL || whole === undefined) return;
  throw new SlipwayError('USAGE', `${whole} names one image, and ARCH=all means several`, {
    hint: `say which with ARCH=…, or leave ${whole} out`,
  });
}

/** @throws SlipwayError `USAGE` */
export function checkRegistry(text: string): string {
  if (text.includes('/')) {
    throw new SlipwayError('USAGE', `REGISTRY ${JSON.stringify(text)} has a path`, {
      hint: 'say REGISTRY=HOST[:PORT]; the path is ORGNAME/REPONAME',
    });
  }
  // Names of machines may have a _, though docker's references can't.
  if (!isHost(text.replaceAll('_', '-'))) {
    throw new SlipwayError('USAGE', `REGISTRY ${JSON.stringify(text)} is no HOST[:PORT]`);
  }
  if (/[.:]/.test(text) || text === 'localhost') return text;
  throw new SlipwayError(
    'USAGE',
    `REGISTRY ${JSON.stringify(text)} would be taken for a part of the name`,
    { hint: 'a host has a dot or a port, or is localhost' },
  );
}
